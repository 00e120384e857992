package main

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"rasynq/compat/internal/scenario"
)

// onceStep demands that tasks had an event exactly once each.
type onceStep struct {
	fields
	roles   []string
	prefix  string
	count   int
	atLeast int
	within  time.Duration
}

func (r *run) newOnceStep(f fields) (o onceStep, err error) {
	members := maps.Clone(f.object("once"))
	if members == nil {
		members = map[string]any{}
	}
	// A difference replaces fields of the step, such as `count`.
	for name, v := range f.m {
		if name != "once" {
			members[name] = v
		}
	}
	o.fields = fields{members}
	if !o.has("event") {
		members["event"] = "start"
	}
	o.prefix, o.count, o.atLeast = o.text("prefix"), o.fields.count("count", 0), o.fields.count("at_least", 0)
	if o.within, err = o.duration("within", time.Minute); err != nil {
		return o, err
	}
	o.roles, err = r.rolesOf(o.fields, "roles")
	return o, err
}

// stepOnce waits until `count` tasks had an event, and demands that each had
// it exactly once. With `at_least` it demands nothing: it waits until so many
// events came or the time is over.
func (r *run) stepOnce(_ *scenario.Scope, f fields) error {
	o, err := r.newOnceStep(f)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(o.within)
	for {
		times, total := r.timesByTask(o)
		over := time.Now().After(deadline) || r.ctx.Err() != nil
		switch {
		case o.atLeast > 0 && (total >= o.atLeast || over):
			return nil
		case o.atLeast > 0:
			time.Sleep(20 * time.Millisecond)
		case len(times) >= o.count || over:
			return o.check(times, total)
		default:
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// timesByTask counts the events of each task, and all of them.
func (r *run) timesByTask(o onceStep) (times map[string]int, total int) {
	times = map[string]int{}
	r.visitWanted(o.roles, o.fields, func(e *event) {
		id, _ := e.body["task"].(string)
		if strings.HasPrefix(id, o.prefix) {
			times[id]++
			total++
		}
	})
	return times, total
}

func (o onceStep) check(times map[string]int, total int) error {
	var wrong []string
	for id, n := range times {
		if n != 1 && len(wrong) < 10 {
			wrong = append(wrong, fmt.Sprintf("%s: %d", id, n))
		}
	}
	missing := 0
	if o.prefix != "" {
		for i := range o.count {
			if id := fmt.Sprintf("%s%d", o.prefix, i); times[id] == 0 {
				missing++
				if len(wrong) < 20 {
					wrong = append(wrong, id+": 0")
				}
			}
		}
	}
	if len(times) == o.count && total == o.count && missing == 0 {
		return nil
	}
	return fmt.Errorf("want %d tasks once each, got %d tasks with %d events; times by task: %s",
		o.count, len(times), total, strings.Join(wrong, ", "))
}
