package keyspace

import "testing"

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
