package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Assignment says which implementation plays each role.
type Assignment map[string]string

func (a Assignment) String() string {
	parts := make([]string, 0, len(a))
	for role, impl := range a {
		parts = append(parts, role+"="+impl)
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

// addFixed adds the fixed roles that the assignment does not name.
func (a Assignment) addFixed(fixed map[string]string) {
	for role, impl := range fixed {
		if _, ok := a[role]; !ok {
			a[role] = impl
		}
	}
}

// Assignments lists the ways in which the roles are given to implementations.
func (s *Scenario) Assignments(impls []string) ([]Assignment, error) {
	mode := "all"
	if len(s.Assign) > 0 {
		var list []Assignment
		if err := json.Unmarshal(s.Assign, &list); err == nil {
			return s.listed(list)
		}
		if err := json.Unmarshal(s.Assign, &mode); err != nil {
			return nil, fmt.Errorf("assign is neither a word nor a list")
		}
	}
	if mode != "all" && mode != "mixed" {
		return nil, fmt.Errorf("assign: unknown word %q", mode)
	}
	list := everyAssignment(s.Roles, impls)
	if mode == "mixed" {
		list = slices.DeleteFunc(list, ofOneKind)
	}
	for _, a := range list {
		a.addFixed(s.Fixed)
	}
	return list, nil
}

// listed checks and completes assignments that the scenario lists itself.
func (s *Scenario) listed(list []Assignment) ([]Assignment, error) {
	for _, a := range list {
		for role := range a {
			if !s.HasRole(role) {
				return nil, fmt.Errorf("assign: no role %q", role)
			}
		}
		a.addFixed(s.Fixed)
	}
	return list, nil
}

func everyAssignment(roles, impls []string) []Assignment {
	list := []Assignment{{}}
	for _, role := range roles {
		var next []Assignment
		for _, a := range list {
			for _, impl := range impls {
				longer := maps.Clone(a)
				longer[role] = impl
				next = append(next, longer)
			}
		}
		list = next
	}
	return list
}

// ofOneKind reports whether all roles belong to one implementation.
func ofOneKind(a Assignment) bool {
	impls := map[string]bool{}
	for _, impl := range a {
		impls[impl] = true
	}
	return len(impls) < 2
}
