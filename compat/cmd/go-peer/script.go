package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// script is what a handler does, ready to run.
type script struct {
	fromPayload bool
	attempts    [][]step
}

// step does one thing. An ending that is not nil ends the run.
type step func(r *run) *ending

// run is one run of a task.
type run struct {
	ctx  context.Context
	task *asynq.Task
	emit func(fields map[string]json.RawMessage)
}

// ending is how a run ends: the outcome that is told and the error that the
// library gets. A panic has no error, its text is thrown.
type ending struct {
	outcome string
	err     error
	panics  string
}

var endedWell = &ending{outcome: "ok"}

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

// trivial is true of a script whose runs all end well at once.
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

// play runs the steps for a task that was retried so often.
func (s *script) play(r *run, retried int) *ending {
	if s.fromPayload {
		var inner script
		if err := decode(r.task.Payload(), &inner); err != nil {
			return &ending{outcome: "error", err: fmt.Errorf("the payload is not a script: %v", err)}
		}
		if inner.fromPayload {
			return &ending{outcome: "error", err: errors.New("the payload is not a script: it refers to the payload")}
		}
		return inner.play(r, retried)
	}
	if len(s.attempts) == 0 {
		return endedWell
	}
	for _, do := range s.attempts[min(retried, len(s.attempts)-1)] {
		if do == nil {
			return endedWell
		}
		if end := do(r); end != nil {
			return end
		}
	}
	return endedWell
}

// stepForm is one STEP. Returning ok is the nil step.
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
		var result data
		if err := json.Unmarshal(value, &result); err != nil {
			return err
		}
		f.step = writeResult(result)
		return nil
	case "emit":
		return with(value, func(fields map[string]json.RawMessage) {
			f.step = func(r *run) *ending {
				r.emit(fields)
				return nil
			}
		})
	case "panic":
		return with(value, func(text string) { f.step = always(&ending{outcome: "panic", panics: text}) })
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
		f.step = always(&ending{outcome: key, err: &markedError{text: text, mark: mark}})
	})
}

// markedError has exactly the given text and is also what the library looks for.
type markedError struct {
	text string
	mark error
}

func (e *markedError) Error() string        { return e.text }
func (e *markedError) Is(target error) bool { return e.mark != nil && target == e.mark }

func always(end *ending) step { return func(*run) *ending { return end } }

func sleep(d time.Duration) step {
	return func(r *run) *ending {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-r.ctx.Done():
			return contextEnded(r.ctx)
		case <-timer.C:
			return nil
		}
	}
}

func block(d time.Duration) step {
	return func(*run) *ending {
		time.Sleep(d)
		return nil
	}
}

func awaitEnd(d time.Duration) step {
	return func(r *run) *ending {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-r.ctx.Done():
			return contextEnded(r.ctx)
		case <-timer.C:
			return &ending{outcome: "error", err: errors.New("context did not end")}
		}
	}
}

func contextEnded(ctx context.Context) *ending {
	return &ending{outcome: "context", err: ctx.Err()}
}

func writeResult(result []byte) step {
	return func(r *run) *ending {
		if _, err := r.task.ResultWriter().Write(result); err != nil {
			return &ending{outcome: "error", err: err}
		}
		return nil
	}
}
