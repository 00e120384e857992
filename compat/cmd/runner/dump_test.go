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
		if bad := keyspace(c.want, got, c.only); len(bad) != c.bad {
			t.Errorf("case %d: %v", i, bad)
		}
	}
}

func TestDumpValue(t *testing.T) {
	v := dumpValue("asynq:{q}:t:x", "hash", []any{"msg", "\n\x01t\x1a\x01x(\x03", "state", "pending", "raw", "\xff"})
	h := v.(map[string]any)
	msg := h["msg"].(map[string]any)
	if msg["type"] != "t" || msg["id"] != "x" || msg["retry"] != 3.0 || h["state"] != "pending" {
		t.Errorf("%v", v)
	}
	if b, ok := h["raw"].(map[string]any); !ok || b["b64"] != "/w==" {
		t.Errorf("%v", h["raw"])
	}
	bad := dumpValue("asynq:{q}:t:x", "hash", []any{"msg", "\xff\xff"}).(map[string]any)["msg"].(map[string]any)
	if bad["undecodable"] != "//8=" {
		t.Errorf("%v", bad)
	}
	z := dumpValue("asynq:{q}:lease", "zset", []any{"a", "1900000000", "b", "1.5e+300"}).(map[string]any)
	if z["a"] != 1900000000.0 || z["b"] != "1.5e+300" {
		t.Errorf("%v", z)
	}
}
