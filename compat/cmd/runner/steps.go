package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"rasynq/compat/internal/asynqpb"
	"rasynq/compat/internal/scenario"
)

const (
	callTime  = 30 * time.Second
	eventTime = 20 * time.Second
)

// asyncCall is a request whose answer a later step waits for.
type asyncCall struct {
	role  string
	op    string
	c     <-chan answer
	begun time.Time
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

// step does one step. A kind that holds other steps hands variables down
// unexpanded, so that they are read when those steps are done.
func (r *run) step(scope *scenario.Scope, where string, st scenario.Step) error {
	if err := context.Cause(r.ctx); err != nil {
		return &failure{where, err.Error()}
	}
	if l, ok := st["label"].(string); ok {
		e, err := scope.Expand(l)
		if err != nil {
			return &failure{where, err.Error()}
		}
		labelled := scenario.Step{}
		for k, v := range st {
			labelled[k] = v
		}
		labelled["label"] = e
		st = r.suite.differences.Step(r.scn.Name, r.assign, labelled)
	}
	kind := st.Kind()
	name := fmt.Sprintf("step %s %s", where, kind)
	if l := st.Label(); l != "" {
		name += " (" + l + ")"
	}
	var err error
	switch kind {
	case "poll", "loop", "each", "repeat", "parallel", "use":
		err = r.compound(scope, where, kind, st)
	default:
		var e any
		if e, err = scope.Expand(map[string]any(st)); err == nil {
			err = r.simple(scope, kind, fields{e.(map[string]any)})
		}
		if err != nil {
			name += " " + cut(scenario.Text(e), 400)
		}
	}
	var sk *skip
	var f *failure
	if err == nil || errors.As(err, &sk) || errors.As(err, &f) {
		return err
	}
	return &failure{name, err.Error()}
}

// fields reads the fields of an expanded step.
type fields struct{ m map[string]any }

func (f fields) text(name string) string {
	s, _ := f.m[name].(string)
	return s
}

func (f fields) has(name string) bool {
	_, ok := f.m[name]
	return ok
}

func (f fields) object(name string) map[string]any {
	m, _ := f.m[name].(map[string]any)
	return m
}

func (f fields) list(name string) []any {
	switch v := f.m[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func (f fields) texts(name string) []string {
	var out []string
	for _, v := range f.list(name) {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (f fields) count(name string, otherwise int) int {
	if n, ok := f.m[name].(float64); ok {
		return int(n)
	}
	return otherwise
}

func (f fields) flag(name string) bool {
	b, _ := f.m[name].(bool)
	return b
}

func (f fields) duration(name string, otherwise time.Duration) (time.Duration, error) {
	s, ok := f.m[name].(string)
	if !ok {
		return otherwise, nil
	}
	return time.ParseDuration(s)
}

func (r *run) compound(scope *scenario.Scope, where, kind string, st scenario.Step) error {
	f := fields{st}
	inner := func(v any) ([]scenario.Step, error) {
		if m, ok := v.(map[string]any); ok {
			v = []any{m}
		}
		return scenario.Steps(v)
	}
	switch kind {
	case "poll":
		within, err := f.duration("within", eventTime)
		if err != nil {
			return err
		}
		every, err := f.duration("every", 50*time.Millisecond)
		if err != nil {
			return err
		}
		list, err := inner(st["poll"])
		if err != nil {
			return err
		}
		if st.Label() != "" {
			// A deviation of the poll is one of what it asks again and again.
			for i, s := range list {
				copied := scenario.Step{}
				for k, v := range s {
					copied[k] = v
				}
				for _, k := range []string{"expect", "expect_err", "keyspace"} {
					if v, ok := st[k]; ok && i == len(list)-1 {
						delete(copied, "expect")
						delete(copied, "expect_err")
						copied[k] = v
					}
				}
				list[i] = copied
			}
		}
		deadline := time.Now().Add(within)
		for {
			err := r.steps(scope, where+".", list)
			var sk *skip
			if err == nil || errors.As(err, &sk) {
				return err
			}
			if time.Now().After(deadline) || r.ctx.Err() != nil {
				return fmt.Errorf("not within %s: %w", within, err)
			}
			time.Sleep(every)
		}
	case "loop":
		within, err := f.duration("within", eventTime)
		if err != nil {
			return err
		}
		list, err := inner(st["loop"])
		if err != nil {
			return err
		}
		until, err := inner(st["until"])
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
	case "each":
		list, err := inner(st["steps"])
		if err != nil {
			return err
		}
		e, err := scope.Expand(st["each"])
		if err != nil {
			return err
		}
		cases, ok := e.([]any)
		if !ok {
			return fmt.Errorf("each needs a list of objects")
		}
		for i, c := range cases {
			sub := scenario.NewScope(scope)
			sub.Set("index", float64(i))
			m, ok := c.(map[string]any)
			if !ok {
				return fmt.Errorf("each needs a list of objects")
			}
			for k, v := range m {
				sub.Set(k, v)
			}
			if err := r.steps(sub, fmt.Sprintf("%s[%d].", where, i+1), list); err != nil {
				return fmt.Errorf("with %s: %w", cut(scenario.Text(m), 300), err)
			}
		}
		return nil
	case "repeat":
		list, err := inner(st["steps"])
		if err != nil {
			return err
		}
		e, err := scope.Expand(st["repeat"])
		if err != nil {
			return err
		}
		n, _ := e.(float64)
		as := f.text("as")
		if as == "" {
			as = "i"
		}
		for i := 0; i < int(n); i++ {
			sub := scenario.NewScope(scope)
			sub.Set(as, float64(i))
			if err := r.steps(sub, fmt.Sprintf("%s[%d].", where, i), list); err != nil {
				return err
			}
		}
		return nil
	case "parallel":
		branches, ok := st["parallel"].([]any)
		if !ok {
			return fmt.Errorf("parallel needs a list of lists of steps")
		}
		errs := make([]error, len(branches))
		var wg sync.WaitGroup
		for i, b := range branches {
			list, err := inner(b)
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
	default: // use
		name := f.text("use")
		list, ok := r.scn.Defs[name]
		if !ok {
			return fmt.Errorf("no steps are defined as %q", name)
		}
		sub := scenario.NewScope(scope)
		e, err := scope.Expand(f.object("with"))
		if err != nil {
			return err
		}
		for k, v := range e.(map[string]any) {
			sub.Set(k, v)
		}
		return r.steps(sub, where+"."+name+".", list)
	}
}

func (r *run) simple(scope *scenario.Scope, kind string, f fields) error {
	switch kind {
	case "op":
		return r.call(scope, f)
	case "await":
		r.mu.Lock()
		a, ok := r.pending[f.text("await")]
		delete(r.pending, f.text("await"))
		r.mu.Unlock()
		if !ok {
			return fmt.Errorf("no request is called %q", f.text("await"))
		}
		return r.judge(scope, f, a)
	case "event":
		return r.event(scope, f)
	case "no_event":
		return r.noEvent(f)
	case "once":
		return r.once(f)
	case "redis":
		v, err := r.redis.command(r.ctx, f.list("redis"))
		if want, ok := f.m["expect_err"]; ok {
			if err == nil {
				return fmt.Errorf("want an error, got %s", scenario.Text(v))
			}
			return mismatch(scenario.Matcher{}.Match(want, err.Error()))
		}
		if err != nil {
			return err
		}
		if message := f.text("decode"); message != "" {
			raw, err := r.redis.client.Do(r.ctx, anyWords(f.list("redis"))...).Text()
			if err == redis.Nil {
				v = nil
			} else if err != nil {
				return err
			} else if _, err := asynqpb.Decode(message, nil); err != nil {
				return err
			} else {
				v = decoded(message, raw)
			}
		}
		return r.result(scope, f, v, scenario.Matcher{})
	case "fill":
		var commands [][]any
		for _, c := range f.list("fill") {
			words, ok := c.([]any)
			if !ok {
				return fmt.Errorf("fill needs a list of commands")
			}
			commands = append(commands, words)
		}
		return r.redis.fill(r.ctx, f.count("from", 0), f.count("count", 1), commands)
	case "keyspace":
		got, err := r.redis.dump(r.ctx)
		if err != nil {
			return err
		}
		return mismatch(keyspace(f.object("keyspace"), got, f.flag("only")))
	case "golden":
		got, err := r.redis.dump(r.ctx)
		if err != nil {
			return err
		}
		for key := range got {
			for _, ignore := range f.texts("ignore") {
				if scenario.Glob(ignore, key) {
					delete(got, key)
				}
			}
		}
		host, _ := os.Hostname()
		n := scenario.Normaliser{Start: r.start, Host: host}
		name := f.text("golden")
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, ok := r.goldens[name]; ok {
			return fmt.Errorf("the golden dump %q was taken already", name)
		}
		r.goldens[name] = n.Value(got)
		r.order = append(r.order, name)
		return nil
	case "signal":
		return r.signal(f)
	case "spawn":
		_, err := r.spawn(scope, f.text("spawn"))
		return err
	case "close":
		return r.close(f)
	case "http":
		return r.http(scope, f)
	case "proxy":
		return r.disturb(f)
	case "set":
		for k, v := range f.object("set") {
			scope.Save(k, v)
		}
		return nil
	case "check":
		return mismatch(scenario.Matcher{}.Match(f.m["expect"], f.m["check"]))
	case "file":
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
	case "fresh_time":
		// Waits for the beginning of the next second, for what asynq rounds
		// to whole seconds.
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second + time.Millisecond)))
		return nil
	}
	return fmt.Errorf("no step is of kind %q", kind)
}

func anyWords(words []any) []any {
	out, err := commandWords(words)
	if err != nil {
		return words
	}
	return out
}

// mismatch makes an error of what does not fit.
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
		e, err := scenario.Pick(v, path)
		if err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
		scope.Save(name, e)
	}
	return nil
}

func (r *run) call(scope *scenario.Scope, f fields) error {
	role, op := f.text("role"), f.text("op")
	p, err := r.peer(scope, role)
	if err != nil {
		return err
	}
	begun := time.Now()
	c, err := p.call(op, f.object("with"))
	if err != nil {
		return err
	}
	a := &asyncCall{role: role, op: op, c: c, begun: begun}
	if name := f.text("async"); name != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, ok := r.pending[name]; ok {
			return fmt.Errorf("a request is called %q already", name)
		}
		r.pending[name] = a
		return nil
	}
	return r.judge(scope, f, a)
}

func (r *run) judge(scope *scenario.Scope, f fields, a *asyncCall) error {
	within, err := f.duration("within", callTime)
	if err != nil {
		return err
	}
	v, err := wait(r.ctx, a.c, within)
	took := time.Since(a.begun)
	var pe *peerError
	if errors.As(err, &pe) && pe.Kind == "unsupported" && f.m["expect_err"] != "unsupported" {
		return &skip{fmt.Sprintf("%s does not support %s: %s", r.assign[a.role], a.op, pe.Msg)}
	}
	if bounds := f.object("elapsed"); bounds != nil {
		if e := elapsed(took, bounds); e != nil {
			return e
		}
	}
	if want, ok := f.m["expect_err"]; ok {
		if err == nil {
			return fmt.Errorf("want the error %s, got the answer %s", scenario.Text(want), scenario.Text(v))
		}
		if pe == nil {
			return err
		}
		if kind, ok := want.(string); ok {
			want = map[string]any{"kind": kind}
		}
		got := map[string]any{"kind": pe.Kind, "msg": pe.Msg}
		return mismatch(scenario.Matcher{}.Match(want, got))
	}
	if err != nil {
		return err
	}
	return r.result(scope, f, v, scenario.Matcher{Loose: true})
}

func elapsed(took time.Duration, bounds map[string]any) error {
	for k, v := range bounds {
		d, err := time.ParseDuration(fmt.Sprint(v))
		if err != nil {
			return err
		}
		if k == "min" && took < d || k == "max" && took > d {
			return fmt.Errorf("it took %s, want %s %s", took.Round(time.Millisecond), k, d)
		}
		if k != "min" && k != "max" {
			return fmt.Errorf("elapsed has min and max, not %q", k)
		}
	}
	return nil
}

// roleNames reads `role`: a name, a list of names, or `*` for all.
func (r *run) roleNames(f fields, field string) []string {
	names := f.texts(field)
	if len(names) == 1 && names[0] == "*" {
		names = nil
		for role := range r.assign {
			names = append(names, role)
		}
	}
	return names
}

func wanted(f fields, e *event) bool {
	for _, n := range f.texts("event") {
		if n == e.name {
			return !f.has("match") || len(scenario.Matcher{Loose: true}.Match(f.m["match"], e.body)) == 0
		}
	}
	return false
}

func (r *run) event(scope *scenario.Scope, f fields) error {
	within, err := f.duration("within", eventTime)
	if err != nil {
		return err
	}
	count := f.count("count", 1)
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	roles := r.roleNames(f, "role")
	for {
		var found []any
		change := make(chan struct{}, 1)
		stop := make(chan struct{})
		for _, role := range roles {
			if _, ok := r.assign[role]; !ok {
				close(stop)
				return fmt.Errorf("no role %q", role)
			}
			more := r.events(role).visit(func(events []*event) {
				for _, e := range events {
					if len(found) < count && !e.used && wanted(f, e) {
						found = append(found, e.body)
					}
				}
			})
			go func() {
				select {
				case <-more:
					select {
					case change <- struct{}{}:
					default:
					}
				case <-stop:
				}
			}()
		}
		if len(found) >= count {
			close(stop)
			if !f.flag("keep") {
				r.consume(roles, f, count)
			}
			var v any = found
			if !f.has("count") {
				v = found[0]
			}
			return r.result(scope, f, v, scenario.Matcher{Loose: true})
		}
		var end error
		select {
		case <-change:
		case <-deadline.C:
			end = fmt.Errorf("%d of %d events came within %s", len(found), count, within)
		case <-r.ctx.Done():
			end = context.Cause(r.ctx)
		}
		close(stop)
		if end != nil {
			return end
		}
	}
}

func (r *run) consume(roles []string, f fields, count int) {
	for _, role := range roles {
		r.events(role).visit(func(events []*event) {
			for _, e := range events {
				if count > 0 && !e.used && wanted(f, e) {
					e.used = true
					count--
				}
			}
		})
	}
}

func (r *run) noEvent(f fields) error {
	during, err := f.duration("during", 0)
	if err != nil {
		return err
	}
	name := fields{map[string]any{"event": f.m["no_event"]}}
	if f.has("match") {
		name.m["match"] = f.m["match"]
	}
	roles := r.roleNames(f, "role")
	deadline := time.Now().Add(during)
	for {
		var bad any
		for _, role := range roles {
			if _, ok := r.assign[role]; !ok {
				return fmt.Errorf("no role %q", role)
			}
			r.events(role).visit(func(events []*event) {
				for _, e := range events {
					if bad == nil && !e.used && wanted(name, e) {
						bad = e.body
					}
				}
			})
		}
		if bad != nil {
			return fmt.Errorf("want no such event, got %s", scenario.Text(bad))
		}
		if time.Now().After(deadline) {
			return nil
		}
		time.Sleep(min(50*time.Millisecond, during))
	}
}

// once waits until n tasks have had an event, and demands that each has had it
// exactly once.
func (r *run) once(f fields) error {
	o := fields{f.object("once")}
	for k, v := range f.m {
		if k != "once" {
			if o.m == nil {
				o.m = map[string]any{}
			}
			o.m[k] = v
		}
	}
	n := o.count("count", 0)
	least := o.count("at_least", 0)
	within, err := o.duration("within", time.Minute)
	if err != nil {
		return err
	}
	if !o.has("event") {
		o.m["event"] = "start"
	}
	roles := r.roleNames(o, "roles")
	prefix := o.text("prefix")
	deadline := time.Now().Add(within)
	for {
		seen := map[string]int{}
		total := 0
		for _, role := range roles {
			r.events(role).visit(func(events []*event) {
				for _, e := range events {
					if wanted(o, e) {
						id, _ := e.body["task"].(string)
						if strings.HasPrefix(id, prefix) {
							seen[id]++
							total++
						}
					}
				}
			})
		}
		if least > 0 {
			// No demand, only a pause: until so many came, or the time is up.
			if total >= least || time.Now().After(deadline) || r.ctx.Err() != nil {
				return nil
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if len(seen) >= n || time.Now().After(deadline) || r.ctx.Err() != nil {
			var wrong []string
			for id, times := range seen {
				if times != 1 && len(wrong) < 10 {
					wrong = append(wrong, fmt.Sprintf("%s: %d", id, times))
				}
			}
			missing := 0
			if prefix != "" {
				for i := 0; i < n; i++ {
					if id := fmt.Sprintf("%s%d", prefix, i); seen[id] == 0 {
						missing++
						if len(wrong) < 20 {
							wrong = append(wrong, id+": 0")
						}
					}
				}
			}
			if len(seen) != n || total != n || missing > 0 {
				return fmt.Errorf("want %d tasks once each, got %d tasks with %d events; times by task: %s",
					n, len(seen), total, strings.Join(wrong, ", "))
			}
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

var signals = map[string]syscall.Signal{
	"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT,
	"SIGSTOP": syscall.SIGSTOP, "SIGCONT": syscall.SIGCONT, "SIGTSTP": syscall.SIGTSTP,
}

func (r *run) signal(f fields) error {
	s, ok := signals[f.text("signal")]
	if !ok {
		return fmt.Errorf("no signal %q", f.text("signal"))
	}
	r.mu.Lock()
	p, ok := r.peers[f.text("role")]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("role %q is not running", f.text("role"))
	}
	if err := p.signal(s); err != nil {
		return err
	}
	if s == syscall.SIGKILL && !p.waitExit(10*time.Second) {
		return fmt.Errorf("it did not end")
	}
	return nil
}

func (r *run) close(f fields) error {
	r.mu.Lock()
	p, ok := r.peers[f.text("close")]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("role %q is not running", f.text("close"))
	}
	within, err := f.duration("within", callTime)
	if err != nil {
		return err
	}
	_ = p.in.Close()
	if !p.waitExit(within) {
		return fmt.Errorf("it did not end within %s of its stdin's end", within)
	}
	if p.exit != nil {
		return fmt.Errorf("it ended with %w", p.exit)
	}
	return nil
}

func (r *run) http(scope *scenario.Scope, f fields) error {
	m, err := r.monitor()
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
		return fmt.Errorf("status %d: %s", status, cut(scenario.Text(v), 400))
	}
	return r.result(scope, f, v, scenario.Matcher{})
}

func (r *run) disturb(f fields) error {
	p, ok := r.proxies[f.text("proxy")]
	if !ok {
		return fmt.Errorf("role %q is not proxied", f.text("proxy"))
	}
	if f.flag("clear") {
		p.clearRules()
	}
	if mode := f.text("mode"); mode != "" {
		if err := p.setMode(mode); err != nil {
			return err
		}
	}
	if f.has("rule") {
		o := fields{f.object("rule")}
		rule := &proxyRule{action: o.text("action"), text: o.text("error"), times: o.count("times", 1)}
		for _, s := range o.texts("request") {
			rule.request = append(rule.request, []byte(s))
		}
		for _, s := range o.texts("not_request") {
			rule.notRequest = append(rule.notRequest, []byte(s))
		}
		for _, s := range o.texts("reply") {
			rule.reply = append(rule.reply, []byte(s))
		}
		var err error
		if rule.delay, err = o.duration("delay", 0); err != nil {
			return err
		}
		onReply := false
		switch rule.action {
		case "drop_reply", "delay_reply":
			onReply = true
		case "drop_request", "delay":
		case "error":
			if rule.text == "" {
				rule.text = "ERR injected by the proxy"
			}
		default:
			return fmt.Errorf("a proxy has no action %q", rule.action)
		}
		if len(rule.reply) > 0 && !onReply {
			return fmt.Errorf("the action %q does not look at the reply", rule.action)
		}
		p.addRule(rule)
	}
	if f.has("await_fired") {
		within, err := f.duration("within", eventTime)
		if err != nil {
			return err
		}
		return p.awaitFired(f.count("await_fired", 1), within)
	}
	return nil
}
