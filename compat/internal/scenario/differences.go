package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
)

// Difference replaces one expectation by another, exact one in some runs.
type Difference struct {
	// Scenario and Step may contain `*`; Step is a step's label, or the name of
	// a golden dump.
	Scenario string `json:"scenario"`
	Step     string `json:"step"`
	// When names the implementations that roles must belong to; the role `*` is
	// any role.
	When Assignment `json:"when"`
	// Instead replaces fields of the step; null removes a field.
	Instead map[string]any `json:"instead"`
	// Path and Value replace one place of a golden dump.
	Path  []string `json:"path"`
	Value any      `json:"value"`
	// Reason says why; Row is the row in docs/asynq-defects.md.
	Reason string `json:"reason"`
	Row    string `json:"row"`

	used atomic.Int64
}

// Used is the number of expectations that the entry has replaced.
func (d *Difference) Used() int64 { return d.used.Load() }

func (d *Difference) String() string {
	return fmt.Sprintf("%s / %s (%s)", d.Scenario, d.Step, d.When)
}

// Differences are the known deviations.
type Differences []*Difference

// LoadDifferences reads differences.json.
func LoadDifferences(name string) (Differences, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list Differences
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i, d := range list {
		if d.Scenario == "" || d.Step == "" || d.Reason == "" || d.Row == "" || len(d.When) == 0 {
			return nil, fmt.Errorf("%s: entry %d lacks scenario, step, when, reason or row", name, i+1)
		}
		if (len(d.Instead) > 0) == (len(d.Path) > 0) {
			return nil, fmt.Errorf("%s: entry %d needs either instead, or path and value", name, i+1)
		}
		for f, v := range d.Instead {
			switch f {
			case "expect", "expect_err", "within", "count", "match", "keyspace", "elapsed":
			default:
				return nil, fmt.Errorf("%s: entry %d: the field %q of a step cannot deviate", name, i+1, f)
			}
			if err := CheckMatcher(v); err != nil {
				return nil, fmt.Errorf("%s: entry %d: %w", name, i+1, err)
			}
		}
	}
	return list, nil
}

func (d *Difference) concerns(scenario, step string, a Assignment) bool {
	return step != "" && Glob(d.Scenario, scenario) && Glob(d.Step, step) && d.Concerns(a)
}

// Concerns reports whether the entry applies to an assignment.
func (d *Difference) Concerns(a Assignment) bool {
	for role, impl := range d.When {
		if role == "*" {
			found := false
			for _, i := range a {
				found = found || i == impl
			}
			if !found {
				return false
			}
			continue
		}
		if a[role] != impl {
			return false
		}
	}
	return true
}

// Step returns the step with the fields that deviate in a run.
func (ds Differences) Step(scenario string, a Assignment, st Step) Step {
	for _, d := range ds {
		if len(d.Instead) == 0 || !d.concerns(scenario, st.Label(), a) {
			continue
		}
		changed := Step{}
		for k, v := range st {
			changed[k] = v
		}
		for k, v := range d.Instead {
			if v == nil && k != "expect" {
				delete(changed, k)
			} else {
				changed[k] = v
			}
		}
		if _, ok := d.Instead["expect_err"]; ok && d.Instead["expect_err"] != nil {
			delete(changed, "expect")
		}
		d.used.Add(1)
		st = changed
	}
	return st
}

// Golden returns a copy of the reference dump with the places that deviate in a
// run.
func (ds Differences) Golden(scenario string, a Assignment, step string, want any) any {
	want = Clone(want)
	for _, d := range ds {
		if len(d.Path) == 0 || !d.concerns(scenario, step, a) {
			continue
		}
		if Replace(want, d.Path, d.Value) {
			d.used.Add(1)
		}
	}
	return want
}

// Unused lists the entries that replaced nothing.
func (ds Differences) Unused() []*Difference {
	var out []*Difference
	for _, d := range ds {
		if d.Used() == 0 {
			out = append(out, d)
		}
	}
	return out
}
