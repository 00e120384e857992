package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Scope keeps variables. Branches and rounds of a loop have scopes of their own,
// inside the scope around them.
type Scope struct {
	mu     sync.RWMutex
	vars   map[string]any
	parent *Scope
}

// NewScope makes a scope inside parent, which may be nil.
func NewScope(parent *Scope) *Scope {
	return &Scope{vars: map[string]any{}, parent: parent}
}

// Set gives a variable a value in this scope.
func (s *Scope) Set(name string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vars[name] = v
}

// Save gives a variable a value in the scope that has it already, or else in the
// outermost one, where the whole run sees it.
func (s *Scope) Save(name string, v any) {
	for s.parent != nil {
		if _, ok := s.own(name); ok {
			break
		}
		s = s.parent
	}
	s.Set(name, v)
}

func (s *Scope) own(name string) (any, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.vars[name]
	return v, ok
}

// Get looks a variable up. `now`, `now_ms`, `now_ns` and `today` are the time of
// the call.
func (s *Scope) Get(name string) (any, bool) {
	now := time.Now()
	switch name {
	case "now":
		return float64(now.Unix()), true
	case "now_ms":
		return float64(now.UnixMilli()), true
	case "now_ns":
		return strconv.FormatInt(now.UnixNano(), 10), true
	case "today":
		return now.UTC().Format("2006-01-02"), true
	}
	for c := s; c != nil; c = c.parent {
		if v, ok := c.own(name); ok {
			return v, true
		}
	}
	return nil, false
}

var (
	wholeVar = regexp.MustCompile(`^\$\{?([a-z_][a-z0-9_]*)\}?([+-][0-9]+(?:\.[0-9]+)?)?$`)
	innerVar = regexp.MustCompile(`\$\{([a-z_][a-z0-9_]*)([+-][0-9]+(?:\.[0-9]+)?)?\}`)
)

// Expand fills variables in, in member names too. A string that is nothing but a
// variable takes the variable's type.
func (s *Scope) Expand(v any) (any, error) {
	switch x := v.(type) {
	case string:
		return s.expandString(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			r, err := s.Expand(e)
			if err != nil {
				return nil, err
			}
			out[i] = r
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			key := k
			if strings.Contains(k, "${") {
				r, err := s.expandInner(k)
				if err != nil {
					return nil, err
				}
				key = r
			}
			r, err := s.Expand(e)
			if err != nil {
				return nil, err
			}
			out[key] = r
		}
		return out, nil
	}
	return v, nil
}

func (s *Scope) expandString(x string) (any, error) {
	if !strings.Contains(x, "$") {
		return x, nil
	}
	if strings.HasPrefix(x, "$$") {
		return x[1:], nil
	}
	if m := wholeVar.FindStringSubmatch(x); m != nil {
		return s.value(m[1], m[2])
	}
	return s.expandInner(x)
}

func (s *Scope) expandInner(x string) (string, error) {
	var first error
	out := innerVar.ReplaceAllStringFunc(x, func(t string) string {
		m := innerVar.FindStringSubmatch(t)
		v, err := s.value(m[1], m[2])
		if err != nil && first == nil {
			first = err
		}
		if f, ok := v.(float64); ok {
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
		if str, ok := v.(string); ok {
			return str
		}
		return Text(v)
	})
	return out, first
}

func (s *Scope) value(name, offset string) (any, error) {
	v, ok := s.Get(name)
	if !ok {
		return nil, fmt.Errorf("no variable %q", name)
	}
	if offset == "" {
		return v, nil
	}
	f, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("variable %q is not a number: %s", name, Text(v))
	}
	d, err := strconv.ParseFloat(offset, 64)
	if err != nil {
		return nil, err
	}
	return f + d, nil
}

// Pick reads the member at a path such as `/0/ok/id`; an empty path is the
// value itself.
func Pick(v any, path string) (any, error) {
	if path == "" || path == "/" {
		return v, nil
	}
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		switch x := v.(type) {
		case map[string]any:
			e, ok := x[part]
			if !ok {
				return nil, fmt.Errorf("no %q in %s", part, Text(v))
			}
			v = e
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, fmt.Errorf("no %q in a list of %d", part, len(x))
			}
			v = x[i]
		default:
			return nil, fmt.Errorf("no %q in %s", part, Text(v))
		}
	}
	return v, nil
}
