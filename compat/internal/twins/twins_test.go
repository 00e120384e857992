package twins

import (
	"strings"
	"testing"
)

func TestDifferences(t *testing.T) {
	refused := func(kind string) answer { return answer{err: &Refusal{kind, "text"}} }
	value := func(v any) answer { return answer{value: v} }
	for name, c := range map[string]struct {
		one, other answer
		bad        string
	}{
		"the same":                    {value(args{"a": 1.0}), value(args{"a": 1.0}), ""},
		"absent, null and zero":       {value(args{"a": nil, "b": 0.0, "c": "0s", "d": []any{}}), value(args{"e": false}), ""},
		"zero and not zero":           {value(args{}), value(args{"a": 1.0}), "/a: nothing and 1"},
		"another number":              {value(args{"a": 1.0}), value(args{"a": 2.0}), "/a: 1 and 2"},
		"rounding":                    {value(args{"at": 1700000000.1234567}), value(args{"at": 1700000000.1234569}), ""},
		"a longer list":               {value([]any{1.0}), value([]any{1.0, 1.0}), "/: [1] and [1 1]"},
		"a count":                     {value(3.0), value(4.0), "/: 3 and 4"},
		"an element of a list":        {value([]any{args{"id": "x"}}), value([]any{args{"id": "y"}}), "/0/id: x and y"},
		"the time of the call":        {value(args{"next_process_at": 1700000000.0}), value(args{"next_process_at": 1700000001.0}), ""},
		"another time":                {value(args{"completed_at": 1700000000.0}), value(args{"completed_at": 1700000001.0}), "/completed_at"},
		"the same kind of error":      {refused("invalid"), answer{err: &Refusal{"invalid", "another text"}}, ""},
		"another kind of error":       {refused("invalid"), refused("other"), "the answers are"},
		"an error and an empty value": {refused("invalid"), value(nil), "the answers are"},
	} {
		got := strings.Join(differences(c.one, c.other), "\n")
		if c.bad == "" && got != "" || !strings.Contains(got, c.bad) {
			t.Errorf("%s: got %q, want %q", name, got, c.bad)
		}
	}
}

func TestTimesOfAChangeMayDiffer(t *testing.T) {
	ch := &change{now: 1_700_000_000}
	for name, c := range map[string]struct {
		key        string
		one, other float64
		same       bool
	}{
		"written by the change": {"x", 1_700_000_000, 1_700_000_003, true},
		"written before":        {"x", 1_600_000_000, 1_600_000_001, false},
		"one is left over":      {"x", 1_699_999_000, 1_700_000_000, false},
		"time to live":          {"ttl", 599.9, 597, true},
	} {
		bad := diff(nil, args{c.key: c.one}, args{c.key: c.other}, ch.tolerance)
		if (len(bad) == 0) != c.same {
			t.Errorf("%s: %v", name, bad)
		}
	}
}

// keys of one queue: a pending task that holds its lock, and an old archived one.
func someKeys() args {
	return args{
		"asynq:{q}:t:a":        args{"hash": args{"state": "pending", "unique_key": "asynq:{q}:unique:t:", "msg": args{"type": "t", "unique_key": "asynq:{q}:unique:t:", "payload": args{"utf8": "new"}}}},
		"asynq:{q}:unique:t:":  args{"string": "a"},
		"asynq:{q}:t:b":        args{"hash": args{"state": "archived"}},
		"asynq:{q}:archived":   args{"zset": args{"b": 1.0}},
		"asynq:{other}:t:a":    args{"hash": args{"state": "pending"}},
		"asynq:queues":         args{"set": []any{"q", "other"}},
		"asynq:{q}:t:z":        args{"hash": args{"state": "retry"}},
		"asynq:{q}:processed":  args{"string": "1"},
		"asynq:{q}:unique:t:z": args{"string": "a"},
	}
}

func TestKnownDifferencesMendOnlyTheirOwn(t *testing.T) {
	for verb, c := range map[string]struct {
		before, left func(args)
		want         func(args)
	}{
		"run_task": {
			before: func(d args) { d["asynq:{q}:t:a"].(args)["hash"].(args)["state"] = "scheduled" },
			want:   func(d args) { d["asynq:{q}:t:a"].(args)["hash"].(args)["pending_since"] = 5.0 },
		},
		"archive_all": {
			left: func(d args) { delete(d["asynq:{q}:archived"].(args)["zset"].(args), "b") },
			want: func(args) {},
		},
		"delete_all": {
			left: func(d args) { delete(d, "asynq:{q}:t:a") },
			want: func(d args) { delete(d, "asynq:{q}:t:a"); delete(d, "asynq:{q}:unique:t:") },
		},
		"update_task_payload": {
			want: func(d args) {
				const key = "asynq:{q}:unique:t:22af645d1859cb5ca6da0c484f1f37ea"
				d[key] = d["asynq:{q}:unique:t:"]
				delete(d, "asynq:{q}:unique:t:")
				hash := d["asynq:{q}:t:a"].(args)["hash"].(args)
				hash["unique_key"], hash["msg"].(args)["unique_key"] = key, key
			},
		},
		"pause_queue": {},
	} {
		before, left, want := someKeys(), someKeys(), someKeys()
		for dump, do := range map[*args]func(args){&before: c.before, &left: c.left, &want: c.want} {
			if do != nil {
				do(*dump)
			}
		}
		ch := &change{verb: verb, queue: "q", call: args{"task": "a"}, before: before, now: 5, count: 1}
		cmp := &comparison{met: map[string]int{}}
		cmp.expectKeys(ch, left)
		if bad := diff(nil, left, want, func(string, float64, float64) float64 { return 0 }); len(bad) > 0 {
			t.Errorf("%s: %v", verb, bad)
		}
		if met := len(cmp.met); met != min(1, met) || (c.want == nil) != (met == 0) {
			t.Errorf("%s: met %v", verb, cmp.met)
		}
	}
	left := someKeys()
	(&comparison{met: map[string]int{}}).expectKeys(&change{verb: "delete_queue", queue: "q", before: someKeys()}, left)
	if len(left) != 2 {
		t.Errorf("delete_queue: %v", sorted(left))
	}
}
