package main

import (
	"io"
	"testing"
)

func TestHello(t *testing.T) {
	d := start(t)
	expect(t, d.ok(`{"op":"hello"}`), object{"impl": "go", "version": "v0.26.0", "peer": 1})
	d.refused("invalid", `{"op":"hello","loud":true}`)
	d.refused("invalid", `{"op":"goodbye"}`)
	d.refused("invalid", `{"what":"hello"}`)
	io.WriteString(d.stdin, "not json\n")
	expect(t, d.answer(-1)["err"], object{"kind": "invalid"})
}

func TestEnqueue(t *testing.T) {
	d := start(t)
	expect(t, d.ok(`{"op":"enqueue","task":{"type":"a","payload":{"utf8":"<&ü"},"headers":{"h":"1","x":"1"},"opts":[{"header":["x","2"]},{"queue":"no"}]},
		"opts":[{"queue":"q"},{"max_retry":3},{"task_id":"t"},{"timeout":"30s"},{"deadline":4102444800},{"unique":"10m"},{"retention":"1h"},{"header":["y","3"]}]}`),
		object{"id": "t", "queue": "q", "type": "a", "payload": object{"utf8": "<&ü"}, "state": "pending", "max_retry": 3, "timeout": "30s",
			"deadline": 4102444800, "retention": "1h0m0s", "headers": object{"h": "1", "x": "2", "y": "3"}})
	expect(t, d.ok(`{"op":"enqueue","task":{"type":"a","payload":{"b64":"/wA="}},"opts":[{"process_at":4102444800.25},{"group":"g"}]}`),
		object{"state": "scheduled", "next_process_at": 4102444800.25, "payload": object{"b64": "/wA="}, "queue": "default", "max_retry": 25, "timeout": "30m0s"})
	expect(t, d.ok(`{"op":"enqueue","task":{"type":"a","payload":null},"opts":[{"group":"g"}]}`),
		object{"state": "aggregating", "group": "g", "payload": nil, "next_process_at": nil})
	expect(t, d.ok(`{"op":"enqueue","task":{"type":"a"},"opts":[{"process_in":"1h"}]}`), object{"state": "scheduled"})

	d.ok(`{"op":"enqueue","task":{"type":"nil"},"opts":[{"unique":"1m"}]}`)
	d.ok(`{"op":"enqueue","task":{"type":"nil","payload":{"utf8":""}},"opts":[{"unique":"1m"}]}`)
	keys := store.Keys(ctx(), "asynq:{default}:unique:nil:*").Val()
	equal(t, "locks of no payload and of an empty one", len(keys), 2)

	d.refused("duplicate", `{"op":"enqueue","task":{"type":"nil"},"opts":[{"unique":"1m"}]}`)
	d.refused("id_conflict", `{"op":"enqueue","task":{"type":"a"},"opts":[{"queue":"q"},{"task_id":"t"}]}`)
	for _, bad := range []string{
		`"task":{"type":" "}`,
		`"task":{"type":"a"},"opts":[{"queue":" "}]`,
		`"task":{"type":"a"},"opts":[{"task_id":""}]`,
		`"task":{"type":"a"},"opts":[{"group":" "}]`,
		`"task":{"type":"a"},"opts":[{"unique":"999ms"}]`,
		`"task":{"type":"a"},"opts":[{"timeout":"soon"}]`,
		`"task":{"type":"a"},"opts":[{"timeout":5}]`,
		`"task":{"type":"a"},"opts":[{"timeout":null}]`,
		`"task":{"type":"a"},"opts":[{"max_retry":"3"}]`,
		`"task":{"type":"a"},"opts":[{"max_retry":1.5}]`,
		`"task":{"type":"a"},"opts":[{"deadline":"now"}]`,
		`"task":{"type":"a"},"opts":[{"header":["k"]}]`,
		`"task":{"type":"a"},"opts":[{"queue":"a","group":"b"}]`,
		`"task":{"type":"a"},"opts":[{"colour":"b"}]`,
		`"task":{"type":"a","colour":"b"}`,
		`"task":{"type":"a","payload":"text"}`,
		`"task":{"type":"a","payload":{"utf8":null}}`,
		`"task":{"type":"a","payload":{"b64":"!"}}`,
		`"opts":[]`,
	} {
		d.refused("invalid", `{"op":"enqueue",%s}`, bad)
	}
}

func TestEnqueueWithoutRedis(t *testing.T) {
	d := startOn(t, "redis-socket://"+socket+".nowhere")
	d.refused("redis", `{"op":"enqueue","task":{"type":"a"}}`)
	d.refused("redis", `{"op":"inspect","call":"queues"}`)
	d.refused("redis", `{"op":"inspect","call":"queue_info","queue":"q"}`)
	d.refused("redis", `{"op":"inspect","call":"pause_queue","queue":"q"}`)
	d.refused("redis", `{"op":"inspect","call":"run_task","queue":"q","task":"t"}`)
	d.refused("redis", `{"op":"inspect","call":"delete_all","queue":"q","state":"retry"}`)
	d.refused("redis", `{"op":"inspect","call":"cancel_processing","task":"t"}`)
	d.refused("redis", `{"op":"inspect","call":"servers"}`)
}

func TestEnqueueBatch(t *testing.T) {
	d := start(t)
	got := d.ok(`{"op":"enqueue_batch","items":[
		{"task":{"type":"a"},"opts":[{"task_id":"1"}]},{"task":{"type":"a"},"opts":[{"task_id":"1"}]},
		{"task":{"type":""}},{"task":{"type":"a"},"opts":[{"group":"g"}]}]}`).([]any)
	equal(t, "answers", len(got), 4)
	expect(t, got[0].(object)["ok"], object{"id": "1"})
	expect(t, got[1].(object)["err"], object{"kind": "id_conflict"})
	expect(t, got[2].(object)["err"], object{"kind": "invalid"})
	expect(t, got[3].(object)["ok"], object{"state": "aggregating"})
}

func TestEnqueueMany(t *testing.T) {
	d := start(t)
	many := `{"op":"enqueue_many","n":200,"callers":8,"batch":7,"id_prefix":"p","task":{"type":"a","payload":{"utf8":"no %d"},"opts":[{"queue":"q"}]}}`
	expect(t, d.ok("%s", many), object{"ok": 200, "err": 0})
	expect(t, d.ok("%s", many), object{"ok": 0, "err": 200})
	expect(t, d.ok(`{"op":"inspect","call":"task_info","queue":"q","task":"p199"}`), object{"payload": object{"utf8": "no 199"}})
	expect(t, d.ok(`{"op":"enqueue_many","n":5,"callers":0,"task":{"type":"a"},"opts":[{"queue":"r"}]}`), object{"ok": 5})
	expect(t, d.ok(`{"op":"inspect","call":"queue_info","queue":"r"}`), object{"pending": 5})
}
