package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rasynq/compat/internal/scenario"
)

// eventTime is how long a step waits unless it says otherwise.
const eventTime = 20 * time.Second

// event is an event that a peer reported.
type event struct {
	name string
	body map[string]any
	// used is set once a step has taken the event.
	used atomic.Bool
}

// eventLog keeps the events of a role, over all its processes.
type eventLog struct {
	mu       sync.Mutex
	events   []*event
	arrivals *broadcast
}

func (l *eventLog) add(e *event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
	l.arrivals.announce()
}

// visit calls f under the lock.
func (l *eventLog) visit(f func([]*event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.events)
}

// broadcast wakes everyone who waits for something new.
type broadcast struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{next: make(chan struct{})} }

func (b *broadcast) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}

// wait returns a channel that closes at the next announcement.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// events returns the log of a role.
func (r *run) events(role string) *eventLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.logs[role]
	if !ok {
		l = &eventLog{arrivals: r.arrivals}
		r.logs[role] = l
	}
	return l
}

// rolesOf reads a field that is a role, a list of roles, or `*` for all.
func (r *run) rolesOf(f fields, field string) ([]string, error) {
	names := f.texts(field)
	if len(names) == 1 && names[0] == "*" {
		names = nil
		for role := range r.assign {
			names = append(names, role)
		}
	}
	for _, role := range names {
		if _, ok := r.assign[role]; !ok {
			return nil, fmt.Errorf("no role %q", role)
		}
	}
	return names, nil
}

// wanted reports whether an event has one of the step's names and fits its
// `match`.
func wanted(f fields, e *event) bool {
	return slices.Contains(f.texts("event"), e.name) &&
		(!f.has("match") || len(scenario.Matcher{Loose: true}.Match(f.m["match"], e.body)) == 0)
}

// visitWanted calls visit for each event of the roles that the step wants.
func (r *run) visitWanted(roles []string, f fields, visit func(*event)) {
	for _, role := range roles {
		r.events(role).visit(func(events []*event) {
			for _, e := range events {
				if wanted(f, e) {
					visit(e)
				}
			}
		})
	}
}

func (r *run) stepEvent(scope *scenario.Scope, f fields) error {
	within, err := f.duration("within", eventTime)
	if err != nil {
		return err
	}
	roles, err := r.rolesOf(f, "role")
	if err != nil {
		return err
	}
	found, err := r.awaitEvents(roles, f, f.count("count", 1), within)
	if err != nil {
		return err
	}
	var bodies []any
	for _, e := range found {
		bodies = append(bodies, e.body)
		if !f.flag("keep") {
			e.used.Store(true)
		}
	}
	var v any = bodies
	if !f.has("count") {
		v = bodies[0]
	}
	return r.result(scope, f, v, scenario.Matcher{Loose: true})
}

// awaitEvents waits for so many wanted events that no step has used.
func (r *run) awaitEvents(roles []string, f fields, count int, within time.Duration) ([]*event, error) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		more := r.arrivals.wait()
		var found []*event
		r.visitWanted(roles, f, func(e *event) {
			if !e.used.Load() && len(found) < count {
				found = append(found, e)
			}
		})
		if len(found) >= count {
			return found, nil
		}
		select {
		case <-more:
		case <-deadline.C:
			return nil, fmt.Errorf("%d of %d events came within %s", len(found), count, within)
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		}
	}
}

// stepNoEvent fails where an unused event of the kind has come, or comes in the
// time of `during`.
func (r *run) stepNoEvent(_ *scenario.Scope, f fields) error {
	during, err := f.duration("during", 0)
	if err != nil {
		return err
	}
	roles, err := r.rolesOf(f, "role")
	if err != nil {
		return err
	}
	f.m["event"] = f.m["no_event"]
	deadline := time.Now().Add(during)
	for {
		var bad *event
		r.visitWanted(roles, f, func(e *event) {
			if bad == nil && !e.used.Load() {
				bad = e
			}
		})
		if bad != nil {
			return fmt.Errorf("want no such event, got %s", scenario.Text(bad.body))
		}
		if time.Now().After(deadline) {
			return nil
		}
		time.Sleep(min(50*time.Millisecond, during))
	}
}
