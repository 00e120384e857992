package main

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"rasynq/compat/internal/scenario"
)

// nested does a step that contains other steps. Those get their variables filled
// in when they are done, not before.
func (r *run) nested(scope *scenario.Scope, where, kind string, st scenario.Step) error {
	switch kind {
	case "poll":
		return r.poll(scope, where, st)
	case "loop":
		return r.loop(scope, where, st)
	case "each":
		return r.each(scope, where, st)
	case "repeat":
		return r.repeat(scope, where, st)
	case "parallel":
		return r.parallel(scope, where, st)
	case "use":
		return r.use(scope, where, st)
	}
	return fmt.Errorf("no step is of kind %q", kind)
}

// innerSteps reads a list of steps, or a single one.
func innerSteps(v any) ([]scenario.Step, error) {
	if m, ok := v.(map[string]any); ok {
		v = []any{m}
	}
	return scenario.Steps(v)
}

// poll repeats steps until none of them fails.
func (r *run) poll(scope *scenario.Scope, where string, st scenario.Step) error {
	f := fields{st}
	within, err := f.duration("within", eventTime)
	if err != nil {
		return err
	}
	every, err := f.duration("every", 50*time.Millisecond)
	if err != nil {
		return err
	}
	list, err := innerSteps(st["poll"])
	if err != nil {
		return err
	}
	handDownDifference(st, list)
	deadline := time.Now().Add(within)
	for {
		err := r.steps(scope, where+".", list)
		if err == nil || isSkip(err) {
			return err
		}
		if time.Now().After(deadline) || r.ctx.Err() != nil {
			return fmt.Errorf("not within %s: %w", within, err)
		}
		time.Sleep(every)
	}
}

// handDownDifference moves the expectation of a deviating poll into the last
// of its steps: a difference names the poll, but replaces what that step
// expects.
func handDownDifference(poll scenario.Step, list []scenario.Step) {
	if poll.Label() == "" || len(list) == 0 {
		return
	}
	last := maps.Clone(list[len(list)-1])
	for _, name := range []string{"expect", "expect_err", "keyspace"} {
		if v, ok := poll[name]; ok {
			delete(last, "expect")
			delete(last, "expect_err")
			last[name] = v
		}
	}
	list[len(list)-1] = last
}

// loop repeats steps, none of which may fail, until the `until` step succeeds.
func (r *run) loop(scope *scenario.Scope, where string, st scenario.Step) error {
	within, err := fields{st}.duration("within", eventTime)
	if err != nil {
		return err
	}
	list, err := innerSteps(st["loop"])
	if err != nil {
		return err
	}
	until, err := innerSteps(st["until"])
	if err != nil {
		return err
	}
	deadline := time.Now().Add(within)
	for round := 1; ; round++ {
		sub := scenario.NewScope(scope)
		sub.Set("round", float64(round))
		if err := r.steps(sub, fmt.Sprintf("%s[%d].", where, round), list); err != nil {
			return err
		}
		err := r.steps(sub, where+".until.", until)
		if err == nil {
			if want, ok := st["expect_rounds"]; ok {
				return mismatch(scenario.Matcher{}.Match(want, float64(round)))
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", within, err)
		}
	}
}

// each does the steps once for each object of a list, whose members become
// variables.
func (r *run) each(scope *scenario.Scope, where string, st scenario.Step) error {
	list, err := innerSteps(st["steps"])
	if err != nil {
		return err
	}
	expanded, err := scope.Expand(st["each"])
	if err != nil {
		return err
	}
	cases, ok := expanded.([]any)
	if !ok {
		return fmt.Errorf("each needs a list of objects")
	}
	for i, c := range cases {
		members, ok := c.(map[string]any)
		if !ok {
			return fmt.Errorf("each needs a list of objects")
		}
		sub := scenario.NewScope(scope)
		sub.Set("index", float64(i))
		for name, v := range members {
			sub.Set(name, v)
		}
		if err := r.steps(sub, fmt.Sprintf("%s[%d].", where, i+1), list); err != nil {
			return fmt.Errorf("with %s: %w", cut(scenario.Text(members), 300), err)
		}
	}
	return nil
}

func (r *run) repeat(scope *scenario.Scope, where string, st scenario.Step) error {
	list, err := innerSteps(st["steps"])
	if err != nil {
		return err
	}
	expanded, err := scope.Expand(st["repeat"])
	if err != nil {
		return err
	}
	n, _ := expanded.(float64)
	counter := fields{st}.text("as")
	if counter == "" {
		counter = "i"
	}
	for i := 0; i < int(n); i++ {
		sub := scenario.NewScope(scope)
		sub.Set(counter, float64(i))
		if err := r.steps(sub, fmt.Sprintf("%s[%d].", where, i), list); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) parallel(scope *scenario.Scope, where string, st scenario.Step) error {
	branches, ok := st["parallel"].([]any)
	if !ok {
		return fmt.Errorf("parallel needs a list of lists of steps")
	}
	errs := make([]error, len(branches))
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, b := range branches {
		list, err := innerSteps(b)
		if err != nil {
			return err
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = r.steps(scenario.NewScope(scope), fmt.Sprintf("%s/%d.", where, i+1), list)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// use does the steps that the file defines under a name.
func (r *run) use(scope *scenario.Scope, where string, st scenario.Step) error {
	f := fields{st}
	name := f.text("use")
	list, ok := r.scn.Defs[name]
	if !ok {
		return fmt.Errorf("no steps are defined as %q", name)
	}
	expanded, err := scope.Expand(f.object("with"))
	if err != nil {
		return err
	}
	sub := scenario.NewScope(scope)
	for name, v := range expanded.(map[string]any) {
		sub.Set(name, v)
	}
	return r.steps(sub, where+"."+name+".", list)
}
