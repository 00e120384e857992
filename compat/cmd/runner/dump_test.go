package main

import "testing"

func TestKeyspace(t *testing.T) {
	got := map[string]any{
		"asynq:queues":         map[string]any{"set": []any{"q"}},
		"asynq:servers:{h:1}":  map[string]any{"string": "x"},
		"asynq:workers:{h:1}":  map[string]any{"string": "x"},
		"asynq:workers:{h:2}":  map[string]any{"string": "x"},
		"asynq:{q}:t:a/b":      map[string]any{"hash": map[string]any{"state": "pending"}},
		"asynq:{q}:processed":  map[string]any{"string": "1"},
		"asynq:{q}:unique:t:x": map[string]any{"string": "a", "ttl": 5.0},
	}
	absent := map[string]any{"$absent": true}
	cases := []struct {
		want map[string]any
		only bool
		bad  int
	}{
		{map[string]any{"asynq:queues": map[string]any{"set": []any{"q"}}}, false, 0},
		{map[string]any{"asynq:queues": map[string]any{"set": []any{"q"}}}, true, 6},
		{map[string]any{"asynq:servers:{*}": map[string]any{"string": "x"}}, false, 0},
		{map[string]any{"asynq:workers:{*}": map[string]any{"string": "x"}}, false, 1},
		{map[string]any{"asynq:{q}:t:*": map[string]any{"hash": map[string]any{"state": "active"}}}, false, 1},
		{map[string]any{"asynq:{q}:retry": absent, "asynq:{z}:*": absent}, false, 0},
		{map[string]any{"asynq:{q}:processed": absent}, false, 1},
		{map[string]any{"asynq:{q}:lease": map[string]any{"zset": map[string]any{}}}, false, 1},
		{map[string]any{}, true, 7},
	}
	for i, c := range cases {
		if bad := matchKeyspace(c.want, got, c.only); len(bad) != c.bad {
			t.Errorf("case %d: %v", i, bad)
		}
	}
}
