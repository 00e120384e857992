package scenario

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Time is an instant in a normalised dump, as seconds from the run's start.
type Time float64

// TTL is a time to live in a normalised dump, in seconds.
type TTL float64

// GoldenTolerance is how far apart, in seconds, times of two runs may lie: runs
// differ by how long their steps took. What a scenario wants to tell apart it
// sets minutes apart.
const GoldenTolerance = 30

// Normaliser makes dumps of different runs comparable.
type Normaliser struct {
	Start time.Time
	Host  string
}

var (
	uuidForm   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	dayForm    = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2}$`)
	serverForm = regexp.MustCompile(`\{[^{}:]+:[0-9]+:<uuid>\}`)
	digits     = regexp.MustCompile(`^[0-9]{9,19}$`)
)

// Value replaces what differs from run to run: instants, uuids, host, pid, day.
func (n Normaliser) Value(v any) any { return n.value("", v) }

func (n Normaliser) value(name string, v any) any {
	switch x := v.(type) {
	case map[string]any:
		if s, ok := x["seconds"]; ok && len(x) == 2 && x["nanos"] != nil {
			if f, ok := s.(float64); ok {
				return n.number(f)
			}
		}
		out := make(map[string]any, len(x))
		for k, e := range x {
			key := n.text(k)
			for i := 2; ; i++ {
				if _, taken := out[key]; !taken {
					break
				}
				key = fmt.Sprintf("%s#%d", n.text(k), i)
			}
			out[key] = n.value(k, e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = n.value(name, e)
		}
		return out
	case string:
		if name == "host" && x == n.Host {
			return "<host>"
		}
		if digits.MatchString(x) {
			if f, err := strconv.ParseFloat(x, 64); err == nil {
				if t, ok := n.instant(f); ok {
					return t
				}
			}
		}
		return n.text(x)
	case float64:
		switch name {
		case "pid":
			return "<pid>"
		case "ttl":
			return TTL(x)
		}
		return n.number(x)
	}
	return v
}

func (n Normaliser) text(s string) string {
	s = uuidForm.ReplaceAllString(s, "<uuid>")
	s = serverForm.ReplaceAllString(s, "{<server>}")
	return dayForm.ReplaceAllString(s, "<day>")
}

func (n Normaliser) number(f float64) any {
	if t, ok := n.instant(f); ok {
		return t
	}
	return f
}

// instant reads unix seconds, milliseconds or nanoseconds within a year of the
// run's start.
func (n Normaliser) instant(f float64) (Time, bool) {
	const year = 366 * 24 * 3600
	start := float64(n.Start.UnixNano()) / 1e9
	for _, unit := range []float64{1, 1e3, 1e9} {
		if s := f / unit; math.Abs(s-start) < year {
			return Time(math.Round(s - start)), true
		}
	}
	return 0, false
}

// Diff compares two normalised values exactly, instants with a tolerance.
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

// plain prints instants so that a reader knows them.
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

// plainMatch gives a matcher of a difference numbers to compare.
func plainMatch(v any) any {
	switch x := v.(type) {
	case Time:
		return float64(x)
	case TTL:
		return float64(x)
	}
	return v
}

// Replace puts a value at every place that a path with `*` names, as far as
// the last part, which may be new. It reports whether a place was found.
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

// Clone copies a decoded value.
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
