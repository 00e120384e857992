package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// GoldenTolerance is how far apart times of two runs may be, in seconds: the same
// step takes longer in one run than in another. Scenarios keep times that must
// differ minutes apart.
const GoldenTolerance = 30

// Diff compares two normalised values exactly, but for instants and TTLs, which
// may be GoldenTolerance apart. A matcher in want is applied.
func Diff(want, got any) []Mismatch {
	var out []Mismatch
	diff(nil, want, got, &out)
	return out
}

func diff(at []string, want, got any, out *[]Mismatch) {
	fail := func() {
		*out = append(*out, Mismatch{"/" + strings.Join(at, "/"), plain(want), plain(got)})
	}
	down := func(k string) []string { return append(append([]string{}, at...), k) }
	if w, ok := want.(map[string]any); ok && isOperator(w) {
		if len(Matcher{}.Match(w, plainMatch(got))) > 0 {
			fail()
		}
		return
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			fail()
			return
		}
		for _, k := range sortedKeys(w) {
			e, ok := g[k]
			if !ok {
				diff(down(k), w[k], Absent{}, out)
				continue
			}
			diff(down(k), w[k], e, out)
		}
		for _, k := range sortedKeys(g) {
			if _, ok := w[k]; !ok {
				*out = append(*out, Mismatch{"/" + strings.Join(down(k), "/"), Absent{}, plain(g[k])})
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			fail()
			return
		}
		for i := range w {
			diff(down(strconv.Itoa(i)), w[i], g[i], out)
		}
	case Time:
		if g, ok := got.(Time); !ok || math.Abs(float64(w-g)) > GoldenTolerance {
			fail()
		}
	case TTL:
		if g, ok := got.(TTL); !ok || math.Abs(float64(w-g)) > GoldenTolerance {
			fail()
		}
	default:
		if !equalScalar(want, got) {
			fail()
		}
	}
}

// plain makes instants and TTLs recognisable in messages.
func plain(v any) any {
	switch x := v.(type) {
	case Time:
		return fmt.Sprintf("<start%+.0fs>", float64(x))
	case TTL:
		return fmt.Sprintf("<ttl %.0fs>", float64(x))
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = plain(e)
		}
		return out
	}
	return v
}

// plainMatch turns an instant or a TTL into a number, for matchers.
func plainMatch(v any) any {
	switch x := v.(type) {
	case Time:
		return float64(x)
	case TTL:
		return float64(x)
	}
	return v
}

// Replace puts a value at every place that a path names. Its parts may contain `*`;
// a last part without one may be a new member. It reports whether any place was
// found.
func Replace(v any, at []string, with any) bool {
	if len(at) == 0 {
		return false
	}
	m, ok := v.(map[string]any)
	if !ok {
		if list, ok := v.([]any); ok {
			found := false
			for i, e := range list {
				if !Glob(at[0], strconv.Itoa(i)) {
					continue
				}
				if len(at) == 1 {
					list[i] = with
					found = true
				} else if Replace(e, at[1:], with) {
					found = true
				}
			}
			return found
		}
		return false
	}
	if len(at) == 1 {
		if !strings.Contains(at[0], "*") {
			m[at[0]] = with
			return true
		}
		found := false
		for k := range m {
			if Glob(at[0], k) {
				m[k] = with
				found = true
			}
		}
		return found
	}
	found := false
	for k, e := range m {
		if (k == at[0] || Glob(at[0], k)) && Replace(e, at[1:], with) {
			found = true
		}
	}
	return found
}

// Clone copies a decoded value deeply.
func Clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = Clone(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = Clone(e)
		}
		return out
	}
	return v
}
