package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// quick is a configuration with short intervals.
const quick = `"task_check_interval":"20ms","delayed_task_check_interval":"50ms","retry_delay":"0s","shutdown_timeout":"500ms"`

// scriptPeer is a peer with a server that has a handler for each kind of script.
type scriptPeer struct{ *driven }

func startScripted(t *testing.T) scriptPeer {
	t.Helper()
	d := start(t)
	d.ok(`{"op":"serve","name":"s","config":{"concurrency":4,%s},"events":true,"handlers":{
		"well":{"attempts":[[{"result":{"utf8":"r"}},{"emit":{"n":1}}]]},
		"again":{"attempts":[[{"return":{"error":"first"}}],[{"sleep":"1ms"},{"return":"ok"}]]},
		"skip":{"attempts":[[{"return":{"skip_retry":"enough"}}]]},
		"revoke":{"attempts":[[{"return":{"revoke":"gone"}}]]},
		"panic":{"attempts":[[{"panic":"boom"}]]},
		"sleep":{"attempts":[[{"sleep":"30s"}]]},
		"block":{"attempts":[[{"block":"1500ms"}]]},
		"await":{"attempts":[[{"await_end":"30s"}]]},
		"hasty":{"attempts":[[{"await_end":"1ms"}]]},
		"payload":{"from_payload":true}}}`, quick)
	return scriptPeer{d}
}

// enqueue enqueues a task whose type is also its id.
func (s scriptPeer) enqueue(kind, payload string, retry int, more string) {
	s.t.Helper()
	s.ok(`{"op":"enqueue","task":{"type":"%[1]s","payload":%[2]s},"opts":[{"task_id":"%[1]s"},{"max_retry":%[3]d},{"retention":"1h"}%[4]s]}`, kind, payload, retry, more)
}

func (s scriptPeer) ended(id, outcome string, text any) {
	s.t.Helper()
	s.event("end", object{"server": "s", "task": id, "outcome": outcome, "error": text})
}

func (s scriptPeer) stored(id, state, text string) {
	s.t.Helper()
	s.eventually(object{"state": state, "last_err": text}, `{"op":"inspect","call":"task_info","queue":"default","task":"%s"}`, id)
}

func TestScriptsThatReturn(t *testing.T) {
	d := startScripted(t)

	d.enqueue("well", `{"utf8":"p"}`, 7, `,{"header":["k","v"]}`)
	d.event("start", object{"server": "s", "task": "well", "type": "well", "payload": object{"utf8": "p"}, "headers": object{"k": "v"}, "queue": "default", "retried": 0, "max_retry": 7})
	d.event("emit", object{"server": "s", "task": "well", "n": 1})
	d.ended("well", "ok", nil)
	d.stored("well", "completed", "")
	expect(t, d.ok(`{"op":"inspect","call":"task_info","queue":"default","task":"well"}`), object{"result": object{"utf8": "r"}})

	d.enqueue("again", "null", 5, "")
	d.ended("again", "error", "first")
	d.event("failed", object{"server": "s", "task": "again", "error": "first"})
	d.event("start", object{"task": "again", "retried": 1})
	d.ended("again", "ok", nil)
	d.stored("again", "completed", "first")

	d.enqueue("skip", "null", 5, "")
	d.ended("skip", "skip_retry", "enough")
	d.event("failed", object{"task": "skip", "error": "enough"})
	d.stored("skip", "archived", "enough")

	d.enqueue("revoke", "null", 5, "")
	d.ended("revoke", "revoke", "gone")
	d.event("failed", object{"task": "revoke", "error": "gone"})

	d.enqueue("payload", `{"utf8":"{\"attempts\":[[{\"return\":{\"error\":\"from the payload\"}}]]}"}`, 0, "")
	d.ended("payload", "error", "from the payload")
}

func TestScriptsThatDoNotReturn(t *testing.T) {
	d := startScripted(t)

	d.enqueue("panic", "null", 0, "")
	d.ended("panic", "panic", "boom")
	if e := d.event("failed", object{"task": "panic"}); !strings.Contains(e["error"].(string), "boom") {
		t.Errorf("failed: %v", e)
	}

	d.enqueue("sleep", "null", 0, `,{"timeout":"1s"}`)
	d.ended("sleep", "context", "context deadline exceeded")
	d.stored("sleep", "archived", "context deadline exceeded")

	d.enqueue("block", "null", 0, `,{"timeout":"1s"}`)
	d.stored("block", "archived", "context deadline exceeded")
	equal(t, "end events while the handler still blocks", d.count("end", object{"task": "block"}), 0)
	d.ended("block", "ok", nil)

	d.enqueue("await", "null", 0, "")
	d.event("start", object{"task": "await"})
	d.ok(`{"op":"inspect","call":"cancel_processing","task":"await"}`)
	d.ended("await", "context", "context canceled")
	d.stored("await", "archived", "context canceled")

	d.enqueue("hasty", "null", 0, "")
	d.ended("hasty", "error", "context did not end")

	d.enqueue("nobody", "null", 0, "")
	d.event("failed", object{"task": "nobody", "error": `handler not found for task "nobody"`})
	equal(t, "starts without a handler", d.count("start", object{"task": "nobody"}), 0)
}

func TestServers(t *testing.T) {
	d := start(t)
	silent := `"handlers":{"*":{"attempts":[[{"emit":{"tag":"here"}},{"return":"ok"}]]}},"events":false`
	serve := func(name, queue string) string {
		return fmt.Sprintf(`{"op":"serve","name":"%s","config":{"queues":{"%s":1},%s},%s}`, name, queue, quick, silent)
	}
	d.ok("%s", serve("one", "a"))
	d.refused("invalid", "%s", serve("one", "b"))
	d.ok("%s", serve("two", "b"))
	for _, bad := range []string{
		`"name":""`,
		`"name":"x","config":{"colour":1}`,
		`"name":"x","config":{"group_grace_period":"1ms"}`,
		`"name":"x","handlers":{" ":{}}`,
		`"name":"x","handlers":{"*":{},"a":{}}`,
		`"name":"x","handlers":{"a":{"attempts":[[{"dance":"1s"}]]}}`,
		`"name":"x","handlers":{"a":{"attempts":[[{"return":"well"}]]}}`,
		`"name":"x","handlers":{"a":{"attempts":[[{"sleep":"1s","block":"1s"}]]}}`,
		`"name":"x","handlers":{"a":{"attempts":[],"from_payload":true}}`,
	} {
		d.refused("invalid", `{"op":"serve",%s}`, bad)
	}
	d.ok(`{"op":"ping","name":"one"}`)
	d.refused("invalid", `{"op":"ping","name":"x"}`)
	d.refused("invalid", `{"op":"stop","name":"x"}`)
	d.refused("invalid", `{"op":"shutdown","name":"x"}`)

	d.ok(`{"op":"enqueue","task":{"type":"t"},"opts":[{"queue":"a"},{"task_id":"1"}]}`)
	d.event("emit", object{"server": "one", "task": "1", "tag": "here"})
	d.ok(`{"op":"stop","name":"one"}`)
	d.ok(`{"op":"enqueue","task":{"type":"t"},"opts":[{"queue":"a"},{"task_id":"2"}]}`)
	time.Sleep(200 * time.Millisecond)
	equal(t, "runs after a stop", d.count("emit", object{"task": "2"}), 0)
	ms, ok := d.ok(`{"op":"shutdown","name":"one"}`).(object)["ms"].(float64)
	if !ok || ms > 5000 {
		t.Errorf("ms: %v", ms)
	}
	d.ok("%s", serve("one", "a"))
	d.event("emit", object{"server": "one", "task": "2"})
	equal(t, "events beside emit", d.count("start", nil)+d.count("end", nil), 0)

	equal(t, "servers", len(d.ok(`{"op":"inspect","call":"servers"}`).([]any)), 2)
	d.close()
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the peer ended with %v", err)
	}
	equal(t, "servers left", store.ZCard(ctx(), "asynq:servers").Val(), 0)
}

func TestRequestsInFlightAreAnsweredAtTheEnd(t *testing.T) {
	d := start(t)
	id := d.send(`{"op":"enqueue_many","n":500,"callers":2,"task":{"type":"a"}}`)
	d.stdin.Close()
	expect(t, d.answer(id)["ok"], object{"ok": 500})
}

func TestShutdownRequeues(t *testing.T) {
	d := start(t)
	d.ok(`{"op":"serve","name":"s","config":{%s},"handlers":{"*":{"attempts":[[{"block":"3s"}]]}}}`, quick)
	d.ok(`{"op":"enqueue","task":{"type":"t"},"opts":[{"task_id":"1"}]}`)
	d.event("start", object{"task": "1"})
	d.ok(`{"op":"shutdown","name":"s"}`)
	expect(t, d.ok(`{"op":"inspect","call":"task_info","queue":"default","task":"1"}`), object{"state": "pending", "retried": 0})
	d.event("end", object{"task": "1", "outcome": "ok"})
}

func TestNotFailureAndHealth(t *testing.T) {
	d := start(t)
	d.ok(`{"op":"serve","name":"s","config":{"task_check_interval":"20ms","retry_delay":"1h","not_failure":"busy","health_check_interval":"50ms"},
		"handlers":{"*":{"attempts":[[{"return":{"error":"too busy now"}}]]}}}`)
	d.event("health", object{"server": "s", "error": nil})
	d.ok(`{"op":"enqueue","task":{"type":"t"},"opts":[{"task_id":"1"}]}`)
	d.eventually(object{"state": "retry", "retried": 0, "last_err": "too busy now"}, `{"op":"inspect","call":"task_info","queue":"default","task":"1"}`)
}

func TestAggregate(t *testing.T) {
	d := start(t)
	for i := range 3 {
		d.ok(`{"op":"enqueue","task":{"type":"part","payload":{"utf8":"%d"}},"opts":[{"group":"g"}]}`, i)
	}
	equal(t, "groups", d.ok(`{"op":"inspect","call":"groups","queue":"default"}`), "[map[group:g size:3]]")
	d.ok(`{"op":"serve","name":"s","config":{"group_grace_period":"1s","group_max_size":3,%s,
		"aggregate":{"type":"whole","separator":"+","opts":[{"task_id":"w"},{"header":["a","b"]}]}},"handlers":{"whole":{}}}`, quick)
	d.event("aggregate", object{"server": "s", "group": "g", "ids": nil, "n": 3})
	e := d.event("start", object{"task": "w", "type": "whole", "headers": object{"a": "b"}})
	if len(e["payload"].(object)["utf8"].(string)) != 5 {
		t.Errorf("payload: %v", e["payload"])
	}
}
