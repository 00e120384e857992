package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rasynq/compat/internal/scenario"
)

// failure is an expectation that was not met, and the step it belongs to.
type failure struct {
	step string
	text string
}

func (f *failure) Error() string { return f.step + ": " + f.text }

// plainSteps are the kinds of steps that contain no other steps. Each gets the
// step's fields with the variables filled in.
var plainSteps = map[string]func(r *run, scope *scenario.Scope, f fields) error{
	"op":         (*run).stepOp,
	"await":      (*run).stepAwait,
	"event":      (*run).stepEvent,
	"no_event":   (*run).stepNoEvent,
	"once":       (*run).stepOnce,
	"redis":      (*run).stepRedis,
	"fill":       (*run).stepFill,
	"keyspace":   (*run).stepKeyspace,
	"golden":     (*run).stepGolden,
	"http":       (*run).stepHTTP,
	"signal":     (*run).stepSignal,
	"spawn":      (*run).stepSpawn,
	"close":      (*run).stepClose,
	"proxy":      (*run).stepProxy,
	"set":        (*run).stepSet,
	"check":      (*run).stepCheck,
	"print":      (*run).stepPrint,
	"file":       (*run).stepFile,
	"fresh_time": (*run).stepFreshTime,
	"twins":      (*run).stepTwins,
}

func (r *run) steps(scope *scenario.Scope, at string, list []scenario.Step) error {
	for i, st := range list {
		where := fmt.Sprintf("%s%d", at, i+1)
		if err := r.step(scope, where, st); err != nil {
			return err
		}
	}
	return nil
}

// step does one step.
func (r *run) step(scope *scenario.Scope, where string, st scenario.Step) error {
	if err := context.Cause(r.ctx); err != nil {
		return &failure{where, err.Error()}
	}
	st, err := r.withDifferences(scope, st)
	if err != nil {
		return &failure{where, err.Error()}
	}
	kind := st.Kind()
	name := fmt.Sprintf("step %s %s", where, kind)
	if l := st.Label(); l != "" {
		name += " (" + l + ")"
	}
	if do, ok := plainSteps[kind]; ok {
		var expanded any
		if expanded, err = scope.Expand(map[string]any(st)); err == nil {
			err = do(r, scope, fields{expanded.(map[string]any)})
		}
		if err != nil {
			name += " " + cut(scenario.Text(expanded), 400)
		}
	} else {
		err = r.nested(scope, where, kind, st)
	}
	var f *failure
	if err == nil || isSkip(err) || errors.As(err, &f) {
		return err
	}
	return &failure{name, err.Error()}
}

// withDifferences applies known deviations to a step that has a label.
func (r *run) withDifferences(scope *scenario.Scope, st scenario.Step) (scenario.Step, error) {
	label, ok := st["label"].(string)
	if !ok {
		return st, nil
	}
	expanded, err := scope.Expand(label)
	if err != nil {
		return nil, err
	}
	labelled := maps.Clone(st)
	labelled["label"] = expanded
	return r.suite.differences.Step(r.scn.Name, r.assign, labelled), nil
}

func (r *run) stepSet(scope *scenario.Scope, f fields) error {
	for name, v := range f.object("set") {
		scope.Save(name, v)
	}
	return nil
}

func (r *run) stepCheck(_ *scenario.Scope, f fields) error {
	return mismatch(scenario.Matcher{}.Match(f.m["expect"], f.m["check"]))
}

// stepPrint prints a line at once, for measurements.
func (r *run) stepPrint(_ *scenario.Scope, f fields) error {
	r.suite.print(fmt.Sprintf("      %s  %s", r, f.text("print")))
	return nil
}

// stepFile writes a file in one rename, so that no reader sees half of it.
func (r *run) stepFile(_ *scenario.Scope, f fields) error {
	name := filepath.Join(r.dir, filepath.Base(f.text("file")))
	text := f.text("text")
	if f.has("json") {
		text = fullText(f.m["json"])
	}
	part := name + ".part"
	if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(part, name)
}

// stepFreshTime waits for the beginning of the next second, as asynq rounds
// times to whole seconds.
func (r *run) stepFreshTime(*scenario.Scope, fields) error {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second + time.Millisecond)))
	return nil
}

// result judges a value and saves parts of it.
func (r *run) result(scope *scenario.Scope, f fields, v any, m scenario.Matcher) error {
	if f.has("expect") {
		if err := mismatch(m.Match(f.m["expect"], v)); err != nil {
			return err
		}
	}
	for name, at := range f.object("save") {
		path, ok := at.(string)
		if !ok {
			return fmt.Errorf("save: not a path: %s", scenario.Text(at))
		}
		part, err := scenario.Pick(v, path)
		if err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
		scope.Save(name, part)
	}
	return nil
}

// mismatch is the error for values that do not match; nil for none.
func mismatch(list []scenario.Mismatch) error {
	if len(list) == 0 {
		return nil
	}
	var lines []string
	for i, m := range list {
		if i == 12 {
			lines = append(lines, fmt.Sprintf("… and %d more", len(list)-i))
			break
		}
		lines = append(lines, m.String())
	}
	return errors.New(strings.Join(lines, "\n      "))
}
