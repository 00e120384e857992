// Package scenario reads the scenarios of the compatibility suite and judges
// values against what they expect. It never starts a process and never talks
// to Redis.
package scenario

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Tags that the runner knows. Scenarios may have others.
const (
	// TagSlow marks a scenario that takes tens of seconds, mostly waiting. Its runs
	// start first, beside all others.
	TagSlow = "slow"
	// TagTimed marks a scenario that measures time or throughput, or depends on
	// windows too short for a loaded machine. Few of its runs run at a time, also
	// if it is slow.
	TagTimed = "timed"
	// TagLong marks a scenario that takes minutes of all CPUs. It runs only if it
	// is asked for by its full name.
	TagLong = "long"
)

// Scenario shows one fact.
type Scenario struct {
	Name  string `json:"name"`
	Shows string `json:"shows"`
	Note  string `json:"note"`
	// Tags are words such as TagSlow.
	Tags []string `json:"tags"`
	// Roles are given to implementations in every possible way.
	Roles []string `json:"roles"`
	// Fixed roles always belong to the implementation named.
	Fixed map[string]string `json:"fixed"`
	// Assign limits the assignments: "all" (the default), "mixed" (without
	// those where all free roles are of one implementation), or a list.
	Assign json.RawMessage `json:"assign"`
	// Redis changes how the private server is started.
	Redis Redis `json:"redis"`
	// URIs replaces the address that a role is started with.
	URIs map[string]string `json:"uris"`
	// Proxied roles reach Redis through a proxy that steps can disturb.
	Proxied []string       `json:"proxied"`
	Vars    map[string]any `json:"vars"`
	// Within is the time limit of a whole run.
	Within string `json:"within"`
	Steps  []Step `json:"steps"`

	File string            `json:"-"`
	Defs map[string][]Step `json:"-"`
}

// Redis says how the private server of a run is started.
type Redis struct {
	// TCP makes it listen on a free port of the loopback too.
	TCP bool `json:"tcp"`
	// Args are appended to the server's command line.
	Args []string `json:"args"`
}

// Tagged reports whether the scenario has a tag.
func (s *Scenario) Tagged(tag string) bool { return slices.Contains(s.Tags, tag) }

// HasRole reports whether a role belongs to the scenario.
func (s *Scenario) HasRole(role string) bool {
	_, fixed := s.Fixed[role]
	return fixed || slices.Contains(s.Roles, role)
}

// Golden reports whether a step of the scenario compares whole dumps.
func (s *Scenario) Golden() bool { return slices.ContainsFunc(s.Steps, holdsGolden) }

func holdsGolden(st Step) bool { return hasMember(map[string]any(st), "golden") }

// hasMember reports whether an object in a decoded value has such a member.
func hasMember(v any, name string) bool {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if k == name || hasMember(e, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return hasMember(e, name) })
	}
	return false
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

func (s *Scenario) check() error {
	if !nameForm.MatchString(s.Name) {
		return fmt.Errorf("a name consists of small letters, digits, `-`, `_` and `.`")
	}
	if s.Shows == "" {
		return fmt.Errorf("`shows` is missing")
	}
	if len(s.Roles)+len(s.Fixed) == 0 {
		return fmt.Errorf("there are no roles")
	}
	for _, r := range s.Roles {
		if _, ok := s.Fixed[r]; ok {
			return fmt.Errorf("role %q is both fixed and free", r)
		}
	}
	if len(s.Steps) == 0 {
		return fmt.Errorf("there are no steps")
	}
	for i, st := range s.Steps {
		if err := checkStep(st); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	_, err := s.Assignments([]string{"go", "rust"})
	return err
}

// Glob reports whether a name fits a pattern with `*`.
func Glob(pattern, name string) bool {
	pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, "[", "\\["), "/", "\x00")
	ok, err := path.Match(pattern, strings.ReplaceAll(name, "/", "\x00"))
	return err == nil && ok
}
