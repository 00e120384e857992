package main

import (
	"strings"
	"testing"
	"time"
)

func TestInspector(t *testing.T) {
	d := start(t)
	inspect := func(call, fields string) any {
		t.Helper()
		return d.ok(`{"op":"inspect","call":"%s"%s}`, call, fields)
	}
	enqueue := func(id, more string) {
		t.Helper()
		d.ok(`{"op":"enqueue","task":{"type":"a","payload":{"utf8":"%[1]s"}},"opts":[{"queue":"q"},{"task_id":"%[1]s"}%[2]s]}`, id, more)
	}
	enqueue("p1", "")
	enqueue("p2", "")
	enqueue("s1", `,{"process_in":"1h"}`)
	enqueue("s2", `,{"process_in":"2h"}`)
	enqueue("g1", `,{"group":"g"}`)
	equal(t, "queues", inspect("queues", ""), "[q]")
	expect(t, inspect("queue_info", `,"queue":"q"`), object{"queue": "q", "size": 5, "groups": 1, "pending": 2, "scheduled": 2, "aggregating": 1,
		"active": 0, "retry": 0, "archived": 0, "completed": 0, "processed": 0, "failed": 0, "processed_total": 0, "failed_total": 0, "paused": false})
	expect(t, inspect("history", `,"queue":"q","n":2`).([]any)[0],
		object{"queue": "q", "date": time.Now().UTC().Format("2006-01-02"), "processed": 0, "failed": 0})
	d.refused("invalid", `{"op":"inspect","call":"history","queue":"q","n":0}`)

	inspect("pause_queue", `,"queue":"q"`)
	d.refused("wrong_state", `{"op":"inspect","call":"pause_queue","queue":"q"}`)
	inspect("unpause_queue", `,"queue":"q"`)
	d.refused("wrong_state", `{"op":"inspect","call":"unpause_queue","queue":"q"}`)

	ids := func(fields string) string {
		t.Helper()
		var ids []string
		for _, task := range inspect("list", `,"queue":"q"`+fields).([]any) {
			ids = append(ids, task.(object)["id"].(string))
		}
		return strings.Join(ids, " ")
	}
	equal(t, "pending", ids(`,"state":"pending"`), "p1 p2")
	equal(t, "second page", ids(`,"state":"pending","page":2,"page_size":1`), "p2")
	equal(t, "aggregating", ids(`,"state":"aggregating","group":"g"`), "g1")

	inspect("run_task", `,"queue":"q","task":"s1"`)
	d.refused("wrong_state", `{"op":"inspect","call":"run_task","queue":"q","task":"s1"}`)
	inspect("archive_task", `,"queue":"q","task":"p1"`)
	d.refused("wrong_state", `{"op":"inspect","call":"archive_task","queue":"q","task":"p1"}`)
	inspect("update_task_payload", `,"queue":"q","task":"s2","payload":{"utf8":"new"}`)
	expect(t, inspect("task_info", `,"queue":"q","task":"s2"`), object{"payload": object{"utf8": "new"}, "state": "scheduled"})
	d.refused("wrong_state", `{"op":"inspect","call":"update_task_payload","queue":"q","task":"p2","payload":null}`)
	inspect("delete_task", `,"queue":"q","task":"p2"`)
	d.refused("task_not_found", `{"op":"inspect","call":"delete_task","queue":"q","task":"p2"}`)
	d.refused("queue_not_empty", `{"op":"inspect","call":"delete_queue","queue":"q"}`)

	equal(t, "run_all", inspect("run_all", `,"queue":"q","state":"archived"`), 1)
	equal(t, "run_all", inspect("run_all", `,"queue":"q","state":"aggregating","group":"g"`), 1)
	equal(t, "archive_all", inspect("archive_all", `,"queue":"q","state":"scheduled"`), 1)
	equal(t, "archived", ids(`,"state":"archived"`), "s2")
	equal(t, "delete_all", inspect("delete_all", `,"queue":"q","state":"archived"`), 1)
	equal(t, "delete_all", inspect("delete_all", `,"queue":"q","state":"pending"`), 3)
	d.refused("unsupported", `{"op":"inspect","call":"run_all","queue":"q","state":"pending"}`)
	d.refused("unsupported", `{"op":"inspect","call":"archive_all","queue":"q","state":"completed"}`)
	d.refused("unsupported", `{"op":"inspect","call":"delete_all","queue":"q","state":"active"}`)
}

func TestInspectorRefusals(t *testing.T) {
	d := start(t)
	d.ok(`{"op":"enqueue","task":{"type":"a"},"opts":[{"queue":"q"}]}`)
	for _, call := range []string{"task_info", "run_task", "archive_task", "delete_task", "update_task_payload"} {
		d.refused("task_not_found", `{"op":"inspect","call":"%s","queue":"q","task":"x"}`, call)
		d.refused("queue_not_found", `{"op":"inspect","call":"%s","queue":"x","task":"x"}`, call)
	}
	for _, call := range []string{`"queue_info"`, `"history","n":1`, `"delete_queue"`, `"list","state":"retry"`, `"run_all","state":"retry"`, `"archive_all","state":"pending"`, `"delete_all","state":"completed"`} {
		d.refused("queue_not_found", `{"op":"inspect","queue":"x","call":%s}`, call)
	}
	for _, bad := range []string{`"dance"`, `"queue_info"`, `"queues","queue":"q"`, `"list","queue":"q","state":"odd"`, `"run_all","queue":"q","state":"odd"`,
		`"task_info","queue":"q","task":null`, `"pause_queue","queue":" "`, `"archive_task","queue":" ","task":"x"`, `"run_task","queue":"","task":"x"`} {
		d.refused("invalid", `{"op":"inspect","call":%s}`, bad)
	}
}

func TestInspectorOnActiveTasks(t *testing.T) {
	d := start(t)
	inspect := func(call, fields string) any {
		t.Helper()
		return d.ok(`{"op":"inspect","call":"%s"%s}`, call, fields)
	}
	d.ok(`{"op":"enqueue","task":{"type":"a"},"opts":[{"queue":"q"},{"task_id":"a1"}]}`)
	d.ok(`{"op":"serve","name":"s","config":{"queues":{"q":3},"strict":true,"concurrency":2,%s},"handlers":{"*":{"attempts":[[{"await_end":"20s"}]]}}}`, quick)
	d.event("start", object{"task": "a1"})
	active := inspect("list", `,"queue":"q","state":"active"`).([]any)
	equal(t, "active tasks", len(active), 1)
	expect(t, active[0], object{"id": "a1"})
	for _, call := range []string{"run_task", "archive_task", "delete_task", "update_task_payload"} {
		d.refused("wrong_state", `{"op":"inspect","call":"%s","queue":"q","task":"a1"}`, call)
	}
	d.refused("wrong_state", `{"op":"inspect","call":"delete_queue","queue":"q","force":true}`)
	servers := inspect("servers", "").([]any)
	equal(t, "servers", len(servers), 1)
	expect(t, servers[0], object{"concurrency": 2, "queues": object{"q": 3.0}, "strict": true, "status": "active"})
	inspect("cancel_processing", `,"task":"a1"`)
	d.event("end", object{"task": "a1", "outcome": "context"})
	d.ok(`{"op":"shutdown","name":"s"}`)
	inspect("delete_queue", `,"queue":"q","force":true`)
	equal(t, "queues", inspect("queues", ""), "[]")
}
