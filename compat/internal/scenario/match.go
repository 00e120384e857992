package scenario

import (
	"fmt"
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

// Matcher compares values with expectations.
type Matcher struct {
	// Loose makes absent, null and zero equal, as in the answers and events of
	// a peer.
	Loose bool
}

// Match returns every place where got is not what want says.
func (m Matcher) Match(want, got any) []Mismatch {
	var out []Mismatch
	m.match("", want, got, &out)
	return out
}

func (m Matcher) fits(want, got any) bool { return len(m.Match(want, got)) == 0 }

func (m Matcher) match(path string, want, got any, out *[]Mismatch) {
	ok := true
	switch w := want.(type) {
	case map[string]any:
		if isOperator(w) {
			m.operator(path, w, got, out)
			return
		}
		ok = m.matchObject(path, w, got, out)
	case []any:
		ok = m.matchList(path, w, got, out)
	default:
		ok = equalScalar(want, got) || m.bothZero(want, got)
	}
	if !ok {
		*out = append(*out, Mismatch{path, want, got})
	}
}

// bothZero reports whether the two are equal because both mean zero.
func (m Matcher) bothZero(want, got any) bool { return m.Loose && isZero(want) && isZero(got) }

// matchObject compares an object's members, or bytes. It reports false where
// the value is of another kind.
func (m Matcher) matchObject(path string, want map[string]any, got any, out *[]Mismatch) bool {
	if wantBytes, ok := BytesOf(want); ok {
		gotBytes, ok := BytesOf(got)
		return ok && string(gotBytes) == string(wantBytes) || !ok && m.bothZero(want, got)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return m.bothZero(want, got)
	}
	for _, k := range sortedKeys(want) {
		v, ok := g[k]
		if !ok {
			v = Absent{}
		}
		m.match(path+"/"+k, want[k], v, out)
	}
	return true
}

// matchList compares a list's elements. It reports false where the value is no
// list of that length.
func (m Matcher) matchList(path string, want []any, got any, out *[]Mismatch) bool {
	g, ok := got.([]any)
	if !ok {
		return m.bothZero(want, got)
	}
	if len(g) != len(want) {
		return false
	}
	for i := range want {
		m.match(fmt.Sprintf("%s/%d", path, i), want[i], g[i], out)
	}
	return true
}
