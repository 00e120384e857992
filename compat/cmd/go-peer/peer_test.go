package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// The tests drive the built program as a runner does, against a Redis of their own.
var (
	program string
	socket  string
	store   *redis.Client
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "go-peer-test")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "go-peer")
		if out, err := exec.Command("go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		socket = filepath.Join(dir, "redis.sock")
		server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
		if err := server.Start(); err != nil {
			panic(err)
		}
		defer server.Wait()
		defer server.Process.Kill()
		store = redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
		for try := 0; store.Ping(ctx()).Err() != nil; try++ {
			if try > 200 {
				panic("redis-server does not answer")
			}
			time.Sleep(20 * time.Millisecond)
		}
		return m.Run()
	}())
}

type object = map[string]any

// driven is a running peer.
type driven struct {
	t     *testing.T
	stdin io.WriteCloser
	cmd   *exec.Cmd
	ended chan struct{}

	mu      sync.Mutex
	news    *sync.Cond
	next    int
	answers map[int]object
	events  []object
}

func start(t *testing.T) *driven {
	t.Helper()
	if err := store.FlushAll(ctx()).Err(); err != nil {
		t.Fatal(err)
	}
	return startOn(t, "redis-socket://"+socket)
}

func startOn(t *testing.T, uri string) *driven {
	t.Helper()
	d := &driven{t: t, cmd: exec.Command(program, "--redis", uri), ended: make(chan struct{}), answers: map[int]object{}}
	d.news = sync.NewCond(&d.mu)
	var err error
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var line object
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("not JSON: %s", lines.Text())
				continue
			}
			d.mu.Lock()
			if _, ok := line["event"]; ok {
				d.events = append(d.events, line)
			} else if id, ok := line["id"].(float64); ok {
				d.answers[int(id)] = line
			} else {
				d.answers[-1] = line
			}
			d.news.Broadcast()
			d.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		d.close()
		d.cmd.Process.Kill()
		d.cmd.Wait()
	})
	return d
}

// close closes stdin and waits for the peer to end.
func (d *driven) close() {
	d.stdin.Close()
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		d.t.Error("the peer does not end")
	}
}

// await waits until look finds something.
func (d *driven) await(what string, look func() (object, bool)) object {
	d.t.Helper()
	late := time.Now().Add(15 * time.Second)
	wake := time.AfterFunc(15*time.Second, d.news.Broadcast)
	defer wake.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if found, ok := look(); ok {
			return found
		}
		if time.Now().After(late) {
			d.t.Fatalf("%s did not come; events: %v", what, d.events)
		}
		d.news.Wait()
	}
}

func (d *driven) send(text string) int {
	d.t.Helper()
	d.mu.Lock()
	d.next++
	id := d.next
	d.mu.Unlock()
	line := fmt.Sprintf(`{"id":%d,%s`+"\n", id, strings.TrimPrefix(strings.Join(strings.Fields(text), " "), "{"))
	if _, err := io.WriteString(d.stdin, line); err != nil {
		d.t.Fatal(err)
	}
	return id
}

func (d *driven) answer(id int) object {
	d.t.Helper()
	return d.await(fmt.Sprintf("answer %d", id), func() (object, bool) {
		a, ok := d.answers[id]
		return a, ok
	})
}

// ok sends a request that must succeed. Its %v are filled in.
func (d *driven) ok(format string, args ...any) any {
	d.t.Helper()
	request := fmt.Sprintf(format, args...)
	a := d.answer(d.send(request))
	if a["err"] != nil {
		d.t.Fatalf("%s: %v", request, a["err"])
	}
	return a["ok"]
}

// refused sends a request that must fail with a kind and tells the text.
func (d *driven) refused(kind, format string, args ...any) string {
	d.t.Helper()
	request := fmt.Sprintf(format, args...)
	a := d.answer(d.send(request))
	e, ok := a["err"].(object)
	if !ok || e["kind"] != kind {
		d.t.Errorf("%s: got %v, want kind %s", request, a, kind)
		return ""
	}
	return e["msg"].(string)
}

// event waits for an event that has these fields.
func (d *driven) event(name string, fields object) object {
	d.t.Helper()
	return d.await(fmt.Sprintf("event %s %v", name, fields), func() (object, bool) {
		for _, e := range d.events {
			if e["event"] == name && has(e, fields) {
				return e, true
			}
		}
		return nil, false
	})
}

func (d *driven) count(name string, fields object) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e["event"] == name && has(e, fields) {
			n++
		}
	}
	return n
}

func has(got, want object) bool {
	for k, v := range want {
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		if !reflect.DeepEqual(got[k], v) {
			return false
		}
	}
	return true
}

func expect(t *testing.T, got any, want object) {
	t.Helper()
	if o, ok := got.(object); !ok || !has(o, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// eventually repeats a request until it answers as wanted.
func (d *driven) eventually(want object, format string, args ...any) object {
	d.t.Helper()
	var got any
	for late := time.Now().Add(15 * time.Second); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		got = d.ok(format, args...)
		if o, ok := got.(object); ok && has(o, want) {
			return o
		}
	}
	d.t.Fatalf("got %v\nwant %v", got, want)
	return nil
}

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

// quick is a configuration that does not make tests wait.
const quick = `"task_check_interval":"20ms","delayed_task_check_interval":"50ms","retry_delay":"0s","shutdown_timeout":"500ms"`

func TestScripts(t *testing.T) {
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
	enqueue := func(kind, payload string, retry int, more string) {
		d.ok(`{"op":"enqueue","task":{"type":"%[1]s","payload":%[2]s},"opts":[{"task_id":"%[1]s"},{"max_retry":%[3]d},{"retention":"1h"}%[4]s]}`, kind, payload, retry, more)
	}
	ended := func(id, outcome string, text any) {
		t.Helper()
		d.event("end", object{"server": "s", "task": id, "outcome": outcome, "error": text})
	}
	stored := func(id, state, text string) {
		t.Helper()
		d.eventually(object{"state": state, "last_err": text}, `{"op":"inspect","call":"task_info","queue":"default","task":"%s"}`, id)
	}

	enqueue("well", `{"utf8":"p"}`, 7, `,{"header":["k","v"]}`)
	d.event("start", object{"server": "s", "task": "well", "type": "well", "payload": object{"utf8": "p"}, "headers": object{"k": "v"}, "queue": "default", "retried": 0, "max_retry": 7})
	d.event("emit", object{"server": "s", "task": "well", "n": 1})
	ended("well", "ok", nil)
	stored("well", "completed", "")
	expect(t, d.ok(`{"op":"inspect","call":"task_info","queue":"default","task":"well"}`), object{"result": object{"utf8": "r"}})

	enqueue("again", "null", 5, "")
	ended("again", "error", "first")
	d.event("failed", object{"server": "s", "task": "again", "error": "first"})
	d.event("start", object{"task": "again", "retried": 1})
	ended("again", "ok", nil)
	stored("again", "completed", "first")

	enqueue("skip", "null", 5, "")
	ended("skip", "skip_retry", "enough")
	d.event("failed", object{"task": "skip", "error": "enough"})
	stored("skip", "archived", "enough")

	enqueue("revoke", "null", 5, "")
	ended("revoke", "revoke", "gone")
	d.event("failed", object{"task": "revoke", "error": "gone"})

	enqueue("panic", "null", 0, "")
	ended("panic", "panic", "boom")
	if e := d.event("failed", object{"task": "panic"}); !strings.Contains(e["error"].(string), "boom") {
		t.Errorf("failed: %v", e)
	}

	enqueue("sleep", "null", 0, `,{"timeout":"1s"}`)
	ended("sleep", "context", "context deadline exceeded")
	stored("sleep", "archived", "context deadline exceeded")

	enqueue("block", "null", 0, `,{"timeout":"1s"}`)
	stored("block", "archived", "context deadline exceeded")
	equal(t, "ends of a blocked run so far", d.count("end", object{"task": "block"}), 0)
	ended("block", "ok", nil)

	enqueue("await", "null", 0, "")
	d.event("start", object{"task": "await"})
	d.ok(`{"op":"inspect","call":"cancel_processing","task":"await"}`)
	ended("await", "context", "context canceled")
	stored("await", "archived", "context canceled")

	enqueue("hasty", "null", 0, "")
	ended("hasty", "error", "context did not end")

	enqueue("payload", `{"utf8":"{\"attempts\":[[{\"return\":{\"error\":\"as told\"}}]]}"}`, 0, "")
	ended("payload", "error", "as told")

	enqueue("nobody", "null", 0, "")
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

func TestRequestsInHandAreAnsweredAtTheEnd(t *testing.T) {
	d := start(t)
	id := d.send(`{"op":"enqueue_many","n":500,"callers":2,"task":{"type":"a"}}`)
	d.stdin.Close()
	expect(t, d.answer(id)["ok"], object{"ok": 500})
}

func TestShutdownGivesBack(t *testing.T) {
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

func TestScheduler(t *testing.T) {
	d := start(t)
	d.ok(`{"op":"scheduler","name":"c","location":"Europe/Berlin","heartbeat_interval":"200ms"}`)
	d.refused("invalid", `{"op":"scheduler","name":"c"}`)
	d.refused("invalid", `{"op":"scheduler","name":"x","location":"Moon/Sea"}`)
	entry := d.ok(`{"op":"register","name":"c","spec":"@every 1s","task":{"type":"tick"},"opts":[{"queue":"q"},{"timeout":"5s"}]}`).(object)["entry"]
	blank := d.ok(`{"op":"register","name":"c","spec":"@every 1s","task":{"type":"tick"},"opts":[{"queue":" "}]}`).(object)["entry"]
	d.refused("invalid", `{"op":"register","name":"c","spec":"not a spec","task":{"type":"tick"}}`)
	d.refused("invalid", `{"op":"register","name":"c","spec":"TZ=UTC","task":{"type":"tick"}}`)
	d.refused("invalid", `{"op":"register","name":"x","spec":"@daily","task":{"type":"tick"}}`)
	task := d.event("enqueued", object{"entry": entry})["task"]
	d.event("enqueue_failed", object{"entry": blank})

	var events []any
	for try := 0; len(events) == 0 && try < 20; try++ {
		events = d.ok(`{"op":"inspect","call":"enqueue_events","entry":"%s"}`, entry).([]any)
		time.Sleep(50 * time.Millisecond)
	}
	if len(events) == 0 || events[len(events)-1].(object)["task"] != task {
		t.Errorf("events %v, want task %v", events, task)
	}
	time.Sleep(400 * time.Millisecond)
	entries := d.ok(`{"op":"inspect","call":"scheduler_entries"}`).([]any)
	equal(t, "entries", len(entries), 2)
	for _, e := range entries {
		if e := e.(object); e["id"] == entry {
			expect(t, e, object{"spec": "@every 1s", "type": "tick", "opts": []any{`Queue("q")`, "Timeout(5s)"}})
			if e["next"] == nil || e["prev"] == nil {
				t.Errorf("next and prev: %v", e)
			}
		}
	}
	d.ok(`{"op":"unregister","name":"c","entry":"%s"}`, entry)
	d.refused("invalid", `{"op":"unregister","name":"c","entry":"%s"}`, entry)
	d.ok(`{"op":"scheduler_shutdown","name":"c"}`)
	equal(t, "schedulers left", store.ZCard(ctx(), "asynq:schedulers").Val(), 0)
	d.refused("invalid", `{"op":"scheduler_shutdown","name":"c"}`)
	d.ok(`{"op":"scheduler","name":"c"}`)
}

func TestPeriodic(t *testing.T) {
	d := start(t)
	file := filepath.Join(t.TempDir(), "periodic.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	periodic := fmt.Sprintf(`{"op":"periodic","name":"m","sync_interval":"200ms","heartbeat_interval":"100ms","file":%q}`, file)
	for _, bad := range []string{"no json", `[{"spec":"","task":{"type":"a"}}]`, `[{"spec":"@daily"}]`, `[{"spec":"@daily","task":{"type":"a"},"x":1}]`} {
		write(bad)
		d.refused("invalid", "%s", periodic)
	}
	write(`[{"spec":"@every 1s","task":{"type":"one"},"opts":[{"queue":"q"},{"header":["k","v"]}]},{"spec":"never","task":{"type":"bad"}}]`)
	d.ok("%s", periodic)
	d.refused("invalid", `{"op":"register","name":"m","spec":"@daily","task":{"type":"a"}}`)
	id := d.event("enqueued", nil)["task"]
	expect(t, d.ok(`{"op":"inspect","call":"task_info","queue":"q","task":"%s"}`, id), object{"type": "one", "headers": object{"k": "v"}})
	write(`[{"spec":"@every 1s","task":{"type":"two"}}]`)
	for try := 0; ; try++ {
		text := fmt.Sprint(d.ok(`{"op":"inspect","call":"scheduler_entries"}`))
		if strings.Contains(text, "type:two") && !strings.Contains(text, "type:one") {
			break
		}
		if try > 100 {
			t.Fatalf("entries: %s", text)
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.ok(`{"op":"scheduler_shutdown","name":"m"}`)
}

func TestCron(t *testing.T) {
	d := start(t)
	times := func(want string, format string, args ...any) {
		t.Helper()
		equal(t, format, fmt.Sprint(d.ok(format, args...)), want)
	}
	times("[60 120]", `{"op":"cron","spec":"* * * * *","after":0,"n":2}`)
	times("[1.7e+09 1.700000001e+09]", `{"op":"cron","spec":"@every 10ms","after":1699999999.5,"n":2}`)
	// 02:30 on the day that Berlin skips from 02:00 to 03:00
	times("[1.7117622e+09]", `{"op":"cron","spec":"30 2 * * *","location":"Europe/Berlin","after":1711753200,"n":1}`)
	times("[]", `{"op":"cron","spec":"0 0 30 2 *","after":0,"n":3}`)
	d.refused("invalid", `{"op":"cron","spec":"* * * *","after":0,"n":1}`)
	d.refused("invalid", `{"op":"cron","spec":"TZ=UTC","after":0,"n":1}`)
	d.refused("invalid", `{"op":"cron","spec":"* * * * *","location":"Nowhere","after":0,"n":1}`)
}

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
	for _, call := range []string{"task_info", "run_task", "archive_task", "delete_task", "update_task_payload"} {
		d.refused("task_not_found", `{"op":"inspect","call":"%s","queue":"q","task":"x"}`, call)
		d.refused("queue_not_found", `{"op":"inspect","call":"%s","queue":"x","task":"x"}`, call)
	}
	for _, call := range []string{`"queue_info"`, `"history","n":1`, `"delete_queue"`, `"list","state":"retry"`, `"run_all","state":"retry"`, `"archive_all","state":"pending"`, `"delete_all","state":"completed"`} {
		d.refused("queue_not_found", `{"op":"inspect","queue":"x","call":%s}`, call)
	}
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

	for _, bad := range []string{`"dance"`, `"queue_info"`, `"queues","queue":"q"`, `"list","queue":"q","state":"odd"`, `"run_all","queue":"q","state":"odd"`,
		`"task_info","queue":"q","task":null`, `"pause_queue","queue":" "`, `"archive_task","queue":" ","task":"x"`, `"run_task","queue":"","task":"x"`} {
		d.refused("invalid", `{"op":"inspect","call":%s}`, bad)
	}

	// an active task
	enqueue("a1", "")
	d.ok(`{"op":"serve","name":"s","config":{"queues":{"q":3},"strict":true,"concurrency":2,%s},"handlers":{"*":{"attempts":[[{"await_end":"20s"}]]}}}`, quick)
	d.event("start", object{"task": "a1"})
	equal(t, "active", ids(`,"state":"active"`), "a1")
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

func ctx() context.Context { return context.Background() }
