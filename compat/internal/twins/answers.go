package twins

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// answer is what a peer said: a value, or an error.
type answer struct {
	value any
	err   *Refusal
}

func (a answer) String() string {
	if a.err != nil {
		return "the error " + a.err.Error()
	}
	return short(a.value)
}

func short(v any) string {
	text := fmt.Sprint(v)
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return text
}

// ask asks one side.
func (c *comparison) ask(side *Side, call map[string]any) (answer, error) {
	v, err := side.Ask(c.ctx, call)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return answer{err: refusal}, nil
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: %s: %w", side.Impl, describe(call), err)
	}
	return answer{value: v}, nil
}

// both asks both sides the same, one after the other.
func (c *comparison) both(call map[string]any) (one, other answer, err error) {
	if one, err = c.ask(c.one, call); err == nil {
		other, err = c.ask(c.other, call)
	}
	c.asked++
	return one, other, err
}

func describe(call map[string]any) string {
	words := []string{fmt.Sprint(call["call"])}
	for _, name := range sorted(call) {
		if name != "call" {
			words = append(words, fmt.Sprintf("%s=%q", name, fmt.Sprint(call[name])))
		}
	}
	return strings.Join(words, " ")
}

// differences lists in what the answers differ. Of errors, the kind counts.
func differences(one, other answer) []string {
	switch {
	case one.err != nil && other.err != nil:
		if one.err.Kind == other.err.Kind {
			return nil
		}
	case one.err == nil && other.err == nil:
		return diff(nil, loose(one.value), loose(other.value), answerTolerance)
	}
	return []string{fmt.Sprintf("the answers are %s and %s", one, other)}
}

// loose drops the members of objects that are absent, null or zero: in answers these
// mean the same.
func loose(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			if e := loose(e); !isZero(e) {
				out[k] = e
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = loose(e)
		}
		return out
	}
	return v
}

func isZero(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case float64:
		return x == 0
	case string:
		return x == "" || x == "0s"
	case []any:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	}
	return false
}

// tolerance is how far apart two numbers of the member of this name may be.
type tolerance func(name string, one, other float64) float64

func answerTolerance(name string, one, _ float64) float64 {
	switch name {
	case "latency_ms": // the twins are asked one after the other
		return 10_000
	case "next_process_at": // of pending tasks: the time of the call
		return 10
	case "memory_bytes": // of random samples
		return one / 2
	}
	return 1e-5 // the rounding of times with nanoseconds
}

// diff lists in what two decoded values differ.
func diff(path []string, one, other any, within tolerance) []string {
	at := "/" + strings.Join(path, "/")
	differ := func() []string { return []string{fmt.Sprintf("%s: %s and %s", at, short(one), short(other))} }
	down := func(name string) []string { return append(path[:len(path):len(path)], name) }
	switch x := one.(type) {
	case map[string]any:
		y, ok := other.(map[string]any)
		if !ok {
			return differ()
		}
		var out []string
		for _, k := range sorted(x) {
			if e, ok := y[k]; ok {
				out = append(out, diff(down(k), x[k], e, within)...)
			} else {
				out = append(out, fmt.Sprintf("%s/%s: %s and nothing", strings.TrimSuffix(at, "/"), k, short(x[k])))
			}
		}
		for _, k := range sorted(y) {
			if _, ok := x[k]; !ok {
				out = append(out, fmt.Sprintf("%s/%s: nothing and %s", strings.TrimSuffix(at, "/"), k, short(y[k])))
			}
		}
		return out
	case []any:
		y, ok := other.([]any)
		if !ok || len(x) != len(y) {
			return differ()
		}
		var out []string
		for i := range x {
			out = append(out, diff(down(fmt.Sprint(i)), x[i], y[i], within)...)
		}
		return out
	case float64:
		name := ""
		if len(path) > 0 {
			name = path[len(path)-1]
		}
		if y, ok := other.(float64); !ok || x != y && math.Abs(x-y) > within(name, x, y) {
			return differ()
		}
		return nil
	}
	if one != other {
		return differ()
	}
	return nil
}
