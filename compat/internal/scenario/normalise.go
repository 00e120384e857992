package scenario

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// Time is an instant in a normalised dump, as seconds from the run's start.
type Time float64

// TTL is a time to live in a normalised dump, in seconds.
type TTL float64

// Normaliser makes dumps of different runs comparable: it replaces what differs
// from run to run.
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

// Value replaces instants, uuids, the host, pids and dates.
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
