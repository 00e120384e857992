package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
