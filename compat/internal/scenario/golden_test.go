package scenario

import (
	"fmt"
	"testing"
	"time"
)

func TestNormalise(t *testing.T) {
	start := time.Unix(1_900_000_000, 0)
	n := Normaliser{Start: start, Host: "box"}
	got := n.Value(parse(t, `{
		"asynq:servers:{box:77:0d7a4bc2-2f0f-4d0c-8a3e-000000000001}": {"string": {"host": "box", "pid": 77, "concurrency": 3, "start_time": {"seconds": 1900000001, "nanos": 5}}, "ttl": 9.5},
		"asynq:{q}:processed:2030-03-17": {"string": "1", "ttl": 7776000},
		"asynq:{q}:t:a": {"hash": {"pending_since": "1900000003000000000", "msg": {"timeout": 1800, "deadline": 1900003600, "retention": 0}}}
	}`))
	want := map[string]any{
		"asynq:servers:{<server>}":  map[string]any{"string": map[string]any{"host": "<host>", "pid": "<pid>", "concurrency": 3.0, "start_time": Time(1)}, "ttl": TTL(9.5)},
		"asynq:{q}:processed:<day>": map[string]any{"string": "1", "ttl": TTL(7776000)},
		"asynq:{q}:t:a":             map[string]any{"hash": map[string]any{"pending_since": Time(3), "msg": map[string]any{"timeout": 1800.0, "deadline": Time(3600), "retention": 0.0}}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestNormaliseKeepsKeysApart(t *testing.T) {
	n := Normaliser{Start: time.Unix(1_900_000_000, 0)}
	got := n.Value(map[string]any{
		"x:0d7a4bc2-2f0f-4d0c-8a3e-000000000001": 1.0,
		"x:0d7a4bc2-2f0f-4d0c-8a3e-000000000002": 2.0,
	}).(map[string]any)
	if len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestDiff(t *testing.T) {
	base := func() map[string]any {
		return map[string]any{"a": map[string]any{"at": Time(5), "ttl": TTL(100), "s": "x", "list": []any{"1", "2"}}}
	}
	if bad := Diff(base(), base()); len(bad) != 0 {
		t.Errorf("%v", bad)
	}
	for name, change := range map[string]func(m map[string]any){
		"later":      func(m map[string]any) { m["at"] = Time(5 + GoldenTolerance + 1) },
		"unset":      func(m map[string]any) { m["at"] = 0.0 },
		"ttl":        func(m map[string]any) { m["ttl"] = TTL(200) },
		"text":       func(m map[string]any) { m["s"] = "y" },
		"order":      func(m map[string]any) { m["list"] = []any{"2", "1"} },
		"additional": func(m map[string]any) { m["new"] = 1.0 },
		"missing":    func(m map[string]any) { delete(m, "s") },
	} {
		got := base()
		change(got["a"].(map[string]any))
		if len(Diff(base(), got)) == 0 {
			t.Errorf("the difference %q was not found", name)
		}
	}
	near := base()
	near["a"].(map[string]any)["at"] = Time(9)
	if bad := Diff(base(), near); len(bad) != 0 {
		t.Errorf("%v", bad)
	}
}

func TestReplace(t *testing.T) {
	v := parse(t, `{"k:1":{"hash":{"a":1}},"k:2":{"hash":{"a":1}},"other":{"hash":{"a":1}}}`)
	if !Replace(v, []string{"k:*", "hash", "b"}, "new") {
		t.Fatal("no place was found")
	}
	if got := Text(v); got != `{"k:1":{"hash":{"a":1,"b":"new"}},"k:2":{"hash":{"a":1,"b":"new"}},"other":{"hash":{"a":1}}}` {
		t.Error(got)
	}
	if Replace(v, []string{"none:*", "hash", "b"}, "new") {
		t.Error("a place was found")
	}
}

func TestDiffAppliesMatchers(t *testing.T) {
	want := map[string]any{"a": map[string]any{"$near": 10.0, "$tol": 5.0}, "b": map[string]any{"$absent": true}}
	if bad := Diff(want, map[string]any{"a": Time(12)}); len(bad) != 0 {
		t.Errorf("%v", bad)
	}
	if bad := Diff(want, map[string]any{"a": Time(20), "b": 1.0}); len(bad) != 2 {
		t.Errorf("%v", bad)
	}
}
