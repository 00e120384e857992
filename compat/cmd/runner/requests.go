package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rasynq/compat/internal/scenario"
)

// callTime is how long a request may take unless the step says otherwise.
const callTime = 30 * time.Second

// request is a request to a peer whose answer is not judged yet.
type request struct {
	role   string
	op     string
	answer <-chan answer
	sent   time.Time
}

// stepOp sends a request. With `async` it is left to an `await` step to judge
// the answer.
func (r *run) stepOp(scope *scenario.Scope, f fields) error {
	role, op := f.text("role"), f.text("op")
	p, err := r.peer(scope, role)
	if err != nil {
		return err
	}
	sent := time.Now()
	c, err := p.call(op, f.object("with"))
	if err != nil {
		return err
	}
	q := &request{role: role, op: op, answer: c, sent: sent}
	name := f.text("async")
	if name == "" {
		return r.judge(scope, f, q)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.pending[name]; ok {
		return fmt.Errorf("there is a request %q already", name)
	}
	r.pending[name] = q
	return nil
}

func (r *run) stepAwait(scope *scenario.Scope, f fields) error {
	name := f.text("await")
	r.mu.Lock()
	q, ok := r.pending[name]
	delete(r.pending, name)
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no request %q", name)
	}
	return r.judge(scope, f, q)
}

// judge waits for the answer to a request and compares it with what the step
// expects.
func (r *run) judge(scope *scenario.Scope, f fields, q *request) error {
	within, err := f.duration("within", callTime)
	if err != nil {
		return err
	}
	v, err := wait(r.ctx, q.answer, within)
	took := time.Since(q.sent)
	var answered *peerError
	if errors.As(err, &answered) && answered.Kind == "unsupported" && f.m["expect_err"] != "unsupported" {
		return &skip{fmt.Sprintf("%s does not support %s: %s", r.assign[q.role], q.op, answered.Msg)}
	}
	if bounds := f.object("elapsed"); bounds != nil {
		if err := checkElapsed(took, bounds); err != nil {
			return err
		}
	}
	if want, ok := f.m["expect_err"]; ok {
		if err == nil {
			return fmt.Errorf("want the error %s, got the answer %s", scenario.Text(want), scenario.Text(v))
		}
		if answered == nil {
			return err
		}
		return answered.match(want)
	}
	if err != nil {
		return err
	}
	return r.result(scope, f, v, scenario.Matcher{Loose: true})
}

// match compares an error with `expect_err`: a kind, or a matcher.
func (e *peerError) match(want any) error {
	if kind, ok := want.(string); ok {
		want = map[string]any{"kind": kind}
	}
	got := map[string]any{"kind": e.Kind, "msg": e.Msg}
	return mismatch(scenario.Matcher{}.Match(want, got))
}

func checkElapsed(took time.Duration, bounds map[string]any) error {
	for name, v := range bounds {
		bound, err := time.ParseDuration(fmt.Sprint(v))
		if err != nil {
			return err
		}
		if name != "min" && name != "max" {
			return fmt.Errorf("elapsed has min and max, not %q", name)
		}
		if name == "min" && took < bound || name == "max" && took > bound {
			return fmt.Errorf("it took %s, want %s %s", took.Round(time.Millisecond), name, bound)
		}
	}
	return nil
}

// stepHTTP sends a request to the run's asynqmon.
func (r *run) stepHTTP(scope *scenario.Scope, f fields) error {
	m, err := r.asynqmon()
	if err != nil {
		return err
	}
	method, path, ok := strings.Cut(f.text("http"), " ")
	if !ok {
		return fmt.Errorf("http needs a method and a path: %q", f.text("http"))
	}
	status, v, err := m.do(r.ctx, method, path, f.m["body"])
	if err != nil {
		return err
	}
	if want := f.count("status", 0); want != 0 && status != want || want == 0 && status/100 != 2 {
		return fmt.Errorf("status %d %s: %s", status, http.StatusText(status), cut(scenario.Text(v), 400))
	}
	return r.result(scope, f, v, scenario.Matcher{})
}
