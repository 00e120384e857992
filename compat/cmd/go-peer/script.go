package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// script is what a handler does.
type script struct {
	fromPayload bool
	attempts    [][]step
}

// step does one step. A result that is not nil ends the run.
type step func(r *run) *result

// run is one run of a task.
type run struct {
	ctx  context.Context
	task *asynq.Task
	emit func(fields map[string]json.RawMessage)
}

// result is what a run comes to.
type result struct {
	outcome string // as the `end` event reports it
	err     error  // for the library; nil for a panic
	panics  string // the text of the panic
}

var succeeded = &result{outcome: "ok"}

func (s *script) UnmarshalJSON(text []byte) error {
	var form struct {
		Attempts    [][]stepForm `json:"attempts"`
		FromPayload bool         `json:"from_payload"`
	}
	if err := decode(text, &form); err != nil {
		return err
	}
	if form.FromPayload && form.Attempts != nil {
		return errors.New("a script comes from the payload or has attempts, not both")
	}
	s.fromPayload = form.FromPayload
	for _, forms := range form.Attempts {
		steps := make([]step, 0, len(forms))
		for _, f := range forms {
			steps = append(steps, f.step)
		}
		s.attempts = append(s.attempts, steps)
	}
	return nil
}

// trivial reports whether all runs of the script succeed at once.
func (s *script) trivial() bool {
	if s.fromPayload {
		return false
	}
	for _, steps := range s.attempts {
		if len(steps) > 0 && steps[0] != nil {
			return false
		}
	}
	return true
}

// play does the steps for a task that was retried that many times.
func (s *script) play(r *run, retried int) *result {
	if s.fromPayload {
		var inner script
		if err := decode(r.task.Payload(), &inner); err != nil {
			return &result{outcome: "error", err: fmt.Errorf("the payload is not a script: %v", err)}
		}
		if inner.fromPayload {
			return &result{outcome: "error", err: errors.New("the payload is not a script: it refers to the payload")}
		}
		return inner.play(r, retried)
	}
	if len(s.attempts) == 0 {
		return succeeded
	}
	for _, do := range s.attempts[min(retried, len(s.attempts)-1)] {
		if do == nil {
			return succeeded
		}
		if res := do(r); res != nil {
			return res
		}
	}
	return succeeded
}

// stepForm is one STEP. The nil step returns ok.
type stepForm struct{ step step }

func (f *stepForm) UnmarshalJSON(text []byte) error {
	key, value, err := single(text)
	if err != nil {
		return err
	}
	if string(value) == "null" && key != "result" {
		return fmt.Errorf("the step %q is null", key)
	}
	switch key {
	case "sleep":
		return with(value, func(d duration) { f.step = sleep(time.Duration(d)) })
	case "block":
		return with(value, func(d duration) { f.step = block(time.Duration(d)) })
	case "await_end":
		return with(value, func(d duration) { f.step = awaitEnd(time.Duration(d)) })
	case "result":
		var written data
		if err := json.Unmarshal(value, &written); err != nil {
			return err
		}
		f.step = writeResult(written)
		return nil
	case "emit":
		return with(value, func(fields map[string]json.RawMessage) {
			f.step = func(r *run) *result {
				r.emit(fields)
				return nil
			}
		})
	case "panic":
		return with(value, func(text string) { f.step = always(&result{outcome: "panic", panics: text}) })
	case "return":
		return f.returning(value)
	}
	return fmt.Errorf("unknown step %q", key)
}

func (f *stepForm) returning(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		if word != "ok" {
			return fmt.Errorf("a script cannot return %q", word)
		}
		f.step = nil
		return nil
	}
	key, value, err := single(text)
	if err != nil {
		return err
	}
	var mark error
	switch key {
	case "error":
	case "skip_retry":
		mark = asynq.SkipRetry
	case "revoke":
		mark = asynq.RevokeTask
	default:
		return fmt.Errorf("a script cannot return %q", key)
	}
	return with(value, func(text string) {
		f.step = always(&result{outcome: key, err: &markedError{text: text, mark: mark}})
	})
}

// markedError has exactly the given text, and errors.Is finds the mark in it.
type markedError struct {
	text string
	mark error
}

func (e *markedError) Error() string        { return e.text }
func (e *markedError) Is(target error) bool { return e.mark != nil && target == e.mark }

func always(res *result) step { return func(*run) *result { return res } }

// sleep waits. The end of the context ends the run.
func sleep(d time.Duration) step { return untilEnd(d, nil) }

// awaitEnd waits for the end of the context.
func awaitEnd(d time.Duration) step {
	return untilEnd(d, &result{outcome: "error", err: errors.New("context did not end")})
}

// untilEnd waits for the end of the context, which ends the run. After the time
// d the step results in late.
func untilEnd(d time.Duration, late *result) step {
	return func(r *run) *result {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-r.ctx.Done():
			return contextEnded(r.ctx)
		case <-timer.C:
			return late
		}
	}
}

// block sleeps whatever happens to the context.
func block(d time.Duration) step {
	return func(*run) *result {
		time.Sleep(d)
		return nil
	}
}

func contextEnded(ctx context.Context) *result {
	return &result{outcome: "context", err: ctx.Err()}
}

func writeResult(data []byte) step {
	return func(r *run) *result {
		if _, err := r.task.ResultWriter().Write(data); err != nil {
			return &result{outcome: "error", err: err}
		}
		return nil
	}
}
