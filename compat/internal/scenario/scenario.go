// Package scenario reads the scenarios of the compatibility suite and judges
// values against what they expect. It knows nothing of processes or of Redis.
package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// File is one scenario file.
type File struct {
	Scenarios []*Scenario       `json:"scenarios"`
	Defs      map[string][]Step `json:"defs"`
	Note      string            `json:"note"`
}

// Scenario shows one fact.
type Scenario struct {
	Name  string `json:"name"`
	Shows string `json:"shows"`
	Note  string `json:"note"`
	// Tags are free words; "slow" ones are started first.
	Tags []string `json:"tags"`
	// Roles are given to implementations in every possible way.
	Roles []string `json:"roles"`
	// Fixed roles always belong to the implementation named.
	Fixed map[string]string `json:"fixed"`
	// Assign limits the assignments: "all" (the default), "mixed" (leaves out
	// those where every role is the same implementation), or a list.
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

// Step is one step as it was read.
type Step map[string]any

// Assignment says which implementation plays each role.
type Assignment map[string]string

func (a Assignment) String() string {
	roles := make([]string, 0, len(a))
	for r := range a {
		roles = append(roles, r)
	}
	sort.Strings(roles)
	parts := make([]string, len(roles))
	for i, r := range roles {
		parts[i] = r + "=" + a[r]
	}
	return strings.Join(parts, " ")
}

// stepFields names the fields of each kind of step. The first one is what
// tells the kind.
var stepFields = map[string][]string{
	"op":         {"role", "with", "expect", "expect_err", "save", "within", "async", "elapsed"},
	"await":      {"expect", "expect_err", "save", "within", "elapsed"},
	"event":      {"role", "match", "count", "within", "expect", "save", "keep"},
	"no_event":   {"role", "match", "during"},
	"redis":      {"expect", "expect_err", "save", "decode"},
	"fill":       {"count", "from", "pipeline"},
	"keyspace":   {"only"},
	"golden":     {"ignore"},
	"signal":     {"role"},
	"spawn":      {},
	"close":      {"within"},
	"poll":       {"within", "every"},
	"loop":       {"until", "within", "expect_rounds"},
	"each":       {"steps"},
	"repeat":     {"as", "steps"},
	"parallel":   {},
	"http":       {"body", "status", "expect", "save", "within"},
	"proxy":      {"mode", "rule", "await_fired", "clear", "within"},
	"once":       {"event", "roles", "count", "prefix", "match", "within"},
	"use":        {"with"},
	"set":        {},
	"check":      {"expect"},
	"file":       {"json", "text"},
	"fresh_time": {},
}

// commonFields may stand in every step.
var commonFields = map[string]bool{"label": true, "note": true}

// Kind tells what a step does.
func (s Step) Kind() string {
	// `once` and `poll` hold names that are kinds of their own.
	for _, k := range []string{"once", "poll", "loop", "each", "repeat", "parallel", "use", "await", "op", "redis", "http"} {
		if _, ok := s[k]; ok {
			return k
		}
	}
	for k := range stepFields {
		if _, ok := s[k]; ok {
			return k
		}
	}
	return ""
}

// Label is the name by which differences speak of a step.
func (s Step) Label() string {
	l, _ := s["label"].(string)
	return l
}

// Steps turns a decoded list into steps.
func Steps(v any) ([]Step, error) {
	list, ok := v.([]any)
	if !ok {
		if l, ok := v.([]Step); ok {
			return l, nil
		}
		return nil, fmt.Errorf("not a list of steps: %s", Text(v))
	}
	out := make([]Step, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("not a step: %s", Text(e))
		}
		out[i] = Step(m)
	}
	return out, nil
}

func checkStep(s Step) error {
	kind := s.Kind()
	if kind == "" {
		return fmt.Errorf("no kind of step: %s", Text(map[string]any(s)))
	}
	allowed := map[string]bool{kind: true}
	for _, f := range stepFields[kind] {
		allowed[f] = true
	}
	for f := range s {
		if !allowed[f] && !commonFields[f] {
			return fmt.Errorf("a step of kind %q has no field %q", kind, f)
		}
	}
	for _, f := range []string{"expect", "match"} {
		if err := CheckMatcher(s[f]); err != nil {
			return err
		}
	}
	for _, f := range []string{kind, "steps", "until"} {
		var nested []any
		switch v := s[f].(type) {
		case []any:
			nested = v
		case map[string]any:
			if f == "poll" || f == "until" {
				nested = []any{v}
			}
		}
		if f == kind && kind != "poll" && kind != "loop" && kind != "parallel" {
			continue
		}
		for _, n := range nested {
			if branch, ok := n.([]any); ok {
				for _, e := range branch {
					if m, ok := e.(map[string]any); ok {
						if err := checkStep(m); err != nil {
							return err
						}
					}
				}
				continue
			}
			m, ok := n.(map[string]any)
			if !ok {
				return fmt.Errorf("not a step: %s", Text(n))
			}
			if err := checkStep(m); err != nil {
				return err
			}
		}
	}
	if ks, ok := s["keyspace"].(map[string]any); ok {
		for _, m := range ks {
			if err := CheckMatcher(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load reads scenarios from files and from the `.json` files of directories.
func Load(paths ...string) ([]*Scenario, error) {
	var all []*Scenario
	seen := map[string]string{}
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		files := []string{p}
		if st.IsDir() {
			files, err = filepath.Glob(filepath.Join(p, "*.json"))
			if err != nil {
				return nil, err
			}
			sort.Strings(files)
		}
		for _, f := range files {
			list, err := loadFile(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			for _, s := range list {
				if other, ok := seen[s.Name]; ok {
					return nil, fmt.Errorf("scenario %q is in %s and in %s", s.Name, other, f)
				}
				seen[s.Name] = f
				all = append(all, s)
			}
		}
	}
	return all, nil
}

func loadFile(name string) ([]*Scenario, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(raw, filepath.Base(name))
}

// Parse reads a scenario file: `{"scenarios": […]}`, a list, or one scenario.
func Parse(raw []byte, name string) ([]*Scenario, error) {
	var f File
	var probe any
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, err
	}
	var target any = &f
	switch v := probe.(type) {
	case []any:
		target = &f.Scenarios
	case map[string]any:
		if _, ok := v["scenarios"]; !ok {
			s := &Scenario{}
			f.Scenarios = []*Scenario{s}
			target = s
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(target); err != nil {
		return nil, err
	}
	for _, steps := range f.Defs {
		for i, st := range steps {
			if err := checkStep(st); err != nil {
				return nil, fmt.Errorf("defs: step %d: %w", i+1, err)
			}
		}
	}
	for _, s := range f.Scenarios {
		s.File = name
		s.Defs = f.Defs
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("scenario %q: %w", s.Name, err)
		}
	}
	return f.Scenarios, nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

func (s *Scenario) check() error {
	if !nameForm.MatchString(s.Name) {
		return fmt.Errorf("a name is made of small letters, digits and dashes")
	}
	if s.Shows == "" {
		return fmt.Errorf("it does not say what it shows")
	}
	if len(s.Roles)+len(s.Fixed) == 0 {
		return fmt.Errorf("it has no roles")
	}
	for _, r := range s.Roles {
		if _, ok := s.Fixed[r]; ok {
			return fmt.Errorf("role %q is fixed and free", r)
		}
	}
	if len(s.Steps) == 0 {
		return fmt.Errorf("it has no steps")
	}
	for i, st := range s.Steps {
		if err := checkStep(st); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	_, err := s.Assignments([]string{"go", "rust"})
	return err
}

// HasRole tells whether a role belongs to the scenario.
func (s *Scenario) HasRole(role string) bool {
	for _, r := range s.Roles {
		if r == role {
			return true
		}
	}
	_, ok := s.Fixed[role]
	return ok
}

// Golden tells whether a step of the scenario compares whole dumps.
func (s *Scenario) Golden() bool {
	var has func(v any) bool
	has = func(v any) bool {
		switch x := v.(type) {
		case Step:
			return has(map[string]any(x))
		case map[string]any:
			for k, e := range x {
				if k == "golden" || has(e) {
					return true
				}
			}
		case []any:
			for _, e := range x {
				if has(e) {
					return true
				}
			}
		}
		return false
	}
	for _, st := range s.Steps {
		if has(st) {
			return true
		}
	}
	return false
}

// Assignments lists the ways in which the roles are given away.
func (s *Scenario) Assignments(impls []string) ([]Assignment, error) {
	mode := "all"
	if len(s.Assign) > 0 {
		var list []Assignment
		if err := json.Unmarshal(s.Assign, &list); err == nil {
			for _, a := range list {
				for r := range a {
					if !s.HasRole(r) {
						return nil, fmt.Errorf("assign: no role %q", r)
					}
				}
				for r, i := range s.Fixed {
					if _, ok := a[r]; !ok {
						a[r] = i
					}
				}
			}
			return list, nil
		}
		if err := json.Unmarshal(s.Assign, &mode); err != nil {
			return nil, fmt.Errorf("assign is neither a word nor a list")
		}
	}
	if mode != "all" && mode != "mixed" {
		return nil, fmt.Errorf("assign: unknown word %q", mode)
	}
	out := []Assignment{{}}
	for _, r := range s.Roles {
		var next []Assignment
		for _, a := range out {
			for _, i := range impls {
				b := Assignment{r: i}
				for k, v := range a {
					b[k] = v
				}
				next = append(next, b)
			}
		}
		out = next
	}
	var kept []Assignment
	for _, a := range out {
		kinds := map[string]bool{}
		for _, i := range a {
			kinds[i] = true
		}
		if mode == "mixed" && len(kinds) < 2 {
			continue
		}
		for r, i := range s.Fixed {
			a[r] = i
		}
		kept = append(kept, a)
	}
	return kept, nil
}

// Glob tells whether a name fits a pattern with `*`.
func Glob(pattern, name string) bool {
	pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, "[", "\\["), "/", "\x00")
	ok, err := path.Match(pattern, strings.ReplaceAll(name, "/", "\x00"))
	return err == nil && ok
}
