package scenario

import "fmt"

// Step is one step as it was read.
type Step map[string]any

// stepFields lists the fields of each kind of step, besides the field that
// names the kind.
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
	"print":      {},
	"file":       {"json", "text"},
	"fresh_time": {},
	"twins":      {"with", "seed", "tasks", "changes"},
}

// commonFields may stand in every step.
var commonFields = map[string]bool{"label": true, "note": true}

// kindsWithOtherKinds have fields that are themselves names of kinds, such as
// `event` in `once`. They decide the kind.
var kindsWithOtherKinds = []string{"once", "poll", "loop", "each", "repeat", "parallel", "use", "await", "op", "redis", "http"}

// Kind is the name of the field that says what the step does; empty for none.
func (s Step) Kind() string {
	for _, k := range kindsWithOtherKinds {
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

// Label is the name by which differences refer to a step.
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

// checkStep refuses unknown kinds, fields and matchers, in inner steps too.
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
	if keys, ok := s["keyspace"].(map[string]any); ok {
		for _, m := range keys {
			if err := CheckMatcher(m); err != nil {
				return err
			}
		}
	}
	for _, f := range innerStepFields[kind] {
		if err := checkInnerSteps(s[f]); err != nil {
			return err
		}
	}
	return nil
}

// innerStepFields lists the fields that contain steps.
var innerStepFields = map[string][]string{
	"poll":     {"poll"},
	"loop":     {"loop", "until"},
	"each":     {"steps"},
	"repeat":   {"steps"},
	"parallel": {"parallel"},
}

// checkInnerSteps checks a step, a list of steps, or a list of such lists.
func checkInnerSteps(v any) error {
	switch x := v.(type) {
	case nil:
		return nil
	case map[string]any:
		return checkStep(x)
	case []any:
		for _, e := range x {
			if err := checkInnerSteps(e); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("not a step: %s", Text(v))
}
