package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"time"
)

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

// isZero reports whether a value is absent, null or zero. These mean the same in
// answers and events of peers.
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
		if b, ok := BytesOf(x); ok {
			return len(b) == 0
		}
		return len(x) == 0
	}
	return false
}

// BytesOf reads `{"utf8": …}` or `{"b64": …}`.
func BytesOf(v any) ([]byte, bool) {
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

// textOf reads a string, or `{"utf8": …}` and `{"b64": …}`, as text.
func textOf(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	if b, ok := BytesOf(v); ok {
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
		if b, ok := BytesOf(x); ok {
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
