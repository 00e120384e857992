package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"time"
)

// Absent is what a matcher sees where the value has no such member.
type Absent struct{}

// Mismatch is one place where a value is not what a scenario expects.
type Mismatch struct {
	Path string
	Want any
	Got  any
}

func (m Mismatch) String() string {
	path := m.Path
	if path == "" {
		path = "(value)"
	}
	return fmt.Sprintf("%s: want %s, got %s", path, Text(m.Want), Text(m.Got))
}

// Text prints a value as short JSON.
func Text(v any) string {
	if _, ok := v.(Absent); ok {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	const limit = 2000
	if len(b) > limit {
		return string(b[:limit]) + "…"
	}
	return string(b)
}

// Matcher compares values with expectations.
type Matcher struct {
	// Loose lets absent, null and zero mean the same, as the answers and the
	// events of a peer do.
	Loose bool
}

// Match returns every place where got is not what want says.
func (m Matcher) Match(want, got any) []Mismatch {
	var out []Mismatch
	m.match("", want, got, &out)
	return out
}

func (m Matcher) fail(path string, want, got any, out *[]Mismatch) {
	*out = append(*out, Mismatch{path, want, got})
}

func (m Matcher) match(path string, want, got any, out *[]Mismatch) {
	switch w := want.(type) {
	case map[string]any:
		if isOperator(w) {
			m.operator(path, w, got, out)
			return
		}
		if wb, ok := bytesOf(w); ok {
			gb, ok := bytesOf(got)
			if !ok && m.Loose && len(wb) == 0 && isZero(got) {
				return
			}
			if !ok || string(gb) != string(wb) {
				m.fail(path, want, got, out)
			}
			return
		}
		g, ok := got.(map[string]any)
		if !ok {
			if m.Loose && len(w) == 0 && isZero(got) {
				return
			}
			m.fail(path, want, got, out)
			return
		}
		for _, k := range sortedKeys(w) {
			v, ok := g[k]
			if !ok {
				m.match(path+"/"+k, w[k], Absent{}, out)
				continue
			}
			m.match(path+"/"+k, w[k], v, out)
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			if m.Loose && len(w) == 0 && isZero(got) {
				return
			}
			m.fail(path, want, got, out)
			return
		}
		if len(g) != len(w) {
			m.fail(path, want, got, out)
			return
		}
		for i := range w {
			m.match(fmt.Sprintf("%s/%d", path, i), w[i], g[i], out)
		}
	default:
		if equalScalar(want, got) {
			return
		}
		if m.Loose && isZero(want) && isZero(got) {
			return
		}
		m.fail(path, want, got, out)
	}
}

// operators lists every `$` word that a matcher knows.
var operators = map[string]bool{
	"$gte": true, "$lte": true, "$gt": true, "$lt": true, "$regex": true,
	"$absent": true, "$any": true, "$near": true, "$tol": true, "$unordered": true,
	"$contains": true, "$len": true, "$exact": true, "$each": true, "$zero": true,
	"$not": true, "$in_order": true, "$count": true, "$ends_with": true, "$duration": true,
}

func isOperator(w map[string]any) bool {
	for k := range w {
		if strings.HasPrefix(k, "$") {
			return true
		}
	}
	return false
}

// CheckMatcher refuses words that no matcher knows, so that a misspelt
// operator cannot pass for an expectation.
func CheckMatcher(want any) error {
	switch w := want.(type) {
	case map[string]any:
		op := isOperator(w)
		for k, v := range w {
			if op && !operators[k] {
				return fmt.Errorf("unknown matcher word %q", k)
			}
			if err := CheckMatcher(v); err != nil {
				return err
			}
		}
	case []any:
		for _, v := range w {
			if err := CheckMatcher(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m Matcher) operator(path string, w map[string]any, got any, out *[]Mismatch) {
	bad := func() { m.fail(path, w, got, out) }
	if _, ok := w["$absent"]; ok {
		if _, ok := got.(Absent); !ok {
			bad()
		}
		return
	}
	if _, ok := w["$zero"]; ok {
		if !isZero(got) {
			bad()
		}
		return
	}
	if _, ok := got.(Absent); ok {
		bad()
		return
	}
	for _, k := range sortedKeys(w) {
		v := w[k]
		switch k {
		case "$any", "$tol":
		case "$gte", "$lte", "$gt", "$lt":
			g, ok := number(got)
			b, okb := number(v)
			if !ok || !okb || !compare(k, g, b) {
				bad()
				return
			}
		case "$near":
			g, ok := number(got)
			b, okb := number(v)
			tol := 2.0
			if t, ok := number(w["$tol"]); ok {
				tol = t
			}
			if !ok || !okb || math.Abs(g-b) > tol {
				bad()
				return
			}
		case "$duration":
			// A Go duration text, compared as a length of time.
			gs, ok := got.(string)
			gd, err := time.ParseDuration(gs)
			ws, okw := v.(string)
			wd, errw := time.ParseDuration(ws)
			if !okw || errw != nil {
				bad()
				return
			}
			if m.Loose && wd == 0 && isZero(got) {
				continue
			}
			if !ok || err != nil || gd != wd {
				bad()
				return
			}
		case "$regex":
			s, ok := textOf(got)
			pattern, okp := v.(string)
			if !ok || !okp {
				bad()
				return
			}
			re, err := regexp.Compile(pattern)
			if err != nil || !re.MatchString(s) {
				bad()
				return
			}
		case "$ends_with":
			s, ok := textOf(got)
			suffix, oks := v.(string)
			if !ok || !oks || !strings.HasSuffix(s, suffix) {
				bad()
				return
			}
		case "$contains":
			if s, ok := got.(string); ok {
				sub, oks := v.(string)
				if !oks || !strings.Contains(s, sub) {
					bad()
					return
				}
				continue
			}
			list, ok := got.([]any)
			if !ok {
				bad()
				return
			}
			wants, many := v.([]any)
			if !many {
				wants = []any{v}
			}
			for _, want := range wants {
				if !m.anyOf(want, list) {
					bad()
					return
				}
			}
		case "$len":
			n, ok := length(got)
			if !ok && m.Loose && isZero(got) {
				n, ok = 0, true
			}
			if !ok {
				bad()
				return
			}
			m.match(path+"/$len", v, float64(n), out)
		case "$exact":
			want, ok := v.(map[string]any)
			g, okg := got.(map[string]any)
			if !ok || !okg {
				if ok && len(want) == 0 && m.Loose && isZero(got) {
					continue
				}
				bad()
				return
			}
			for _, key := range sortedKeys(g) {
				if _, ok := want[key]; !ok {
					m.fail(path+"/"+key, Absent{}, g[key], out)
				}
			}
			m.match(path, want, got, out)
		case "$each":
			list, ok := got.([]any)
			if !ok {
				bad()
				return
			}
			for i, g := range list {
				m.match(fmt.Sprintf("%s/%d", path, i), v, g, out)
			}
		case "$unordered":
			wants, ok := v.([]any)
			list, okl := got.([]any)
			if okl || !m.Loose || !isZero(got) {
				if !ok || !okl || len(wants) != len(list) || !m.pair(wants, list) {
					bad()
					return
				}
			} else if len(wants) != 0 {
				bad()
				return
			}
		case "$in_order":
			// Each of these appears, in this order, with others between.
			wants, ok := v.([]any)
			list, okl := got.([]any)
			if !ok || !okl {
				bad()
				return
			}
			at := 0
			for _, g := range list {
				if at < len(wants) && len(m.Match(wants[at], g)) == 0 {
					at++
				}
			}
			if at < len(wants) {
				bad()
				return
			}
		case "$count":
			// How many of a list fit `of` is judged by `is`.
			spec, ok := v.(map[string]any)
			list, okl := got.([]any)
			if !ok || !okl {
				bad()
				return
			}
			n := 0.0
			for _, g := range list {
				if len(m.Match(spec["of"], g)) == 0 {
					n++
				}
			}
			m.match(path+"/$count", spec["is"], n, out)
		case "$not":
			if len(m.Match(v, got)) == 0 {
				bad()
				return
			}
		default:
			bad()
			return
		}
	}
}

func (m Matcher) anyOf(want any, list []any) bool {
	for _, g := range list {
		if len(m.Match(want, g)) == 0 {
			return true
		}
	}
	return false
}

// pair finds a partner for every expectation (augmenting paths, so that a
// loose expectation never takes the partner of a strict one).
func (m Matcher) pair(wants, list []any) bool {
	owner := make([]int, len(list))
	for i := range owner {
		owner[i] = -1
	}
	fits := make([][]bool, len(wants))
	for i, w := range wants {
		fits[i] = make([]bool, len(list))
		for j, g := range list {
			fits[i][j] = len(m.Match(w, g)) == 0
		}
	}
	var place func(i int, seen []bool) bool
	place = func(i int, seen []bool) bool {
		for j := range list {
			if !fits[i][j] || seen[j] {
				continue
			}
			seen[j] = true
			if owner[j] < 0 || place(owner[j], seen) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := range wants {
		if !place(i, make([]bool, len(list))) {
			return false
		}
	}
	return true
}

func compare(op string, a, b float64) bool {
	switch op {
	case "$gte":
		return a >= b
	case "$lte":
		return a <= b
	case "$gt":
		return a > b
	default:
		return a < b
	}
}

func equalScalar(a, b any) bool {
	if _, ok := b.(Absent); ok {
		return false
	}
	x, okx := a.(float64)
	y, oky := b.(float64)
	if okx && oky {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

// isZero holds for what INFO treats alike: absent, null and zero values.
func isZero(v any) bool {
	switch x := v.(type) {
	case nil, Absent:
		return true
	case bool:
		return !x
	case float64:
		return x == 0
	case string:
		if x == "" {
			return true
		}
		d, err := time.ParseDuration(x)
		return err == nil && d == 0
	case []any:
		return len(x) == 0
	case map[string]any:
		if b, ok := bytesOf(x); ok {
			return len(b) == 0
		}
		return len(x) == 0
	}
	return false
}

// bytesOf reads `{"utf8": …}` or `{"b64": …}`.
func bytesOf(v any) ([]byte, bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return nil, false
	}
	if s, ok := m["utf8"].(string); ok {
		return []byte(s), true
	}
	if s, ok := m["b64"].(string); ok {
		b, err := base64.StdEncoding.DecodeString(s)
		return b, err == nil
	}
	return nil, false
}

// textOf reads a string, or bytes of the peer interface, as text.
func textOf(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	if b, ok := bytesOf(v); ok {
		return string(b), true
	}
	return "", false
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case string:
		// Redis keeps its counters as decimal text.
		var f float64
		var rest string
		n, _ := fmt.Sscanf(x, "%f%s", &f, &rest)
		return f, n == 1
	}
	return 0, false
}

func length(v any) (int, bool) {
	switch x := v.(type) {
	case []any:
		return len(x), true
	case string:
		return len(x), true
	case map[string]any:
		if b, ok := bytesOf(x); ok {
			return len(b), true
		}
		return len(x), true
	}
	return 0, false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
