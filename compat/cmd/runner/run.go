package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"rasynq/compat/internal/scenario"
)

// outcome says how a run ended.
type outcome int

const (
	passed outcome = iota
	failed
	skipped
)

// skip ends a run without a verdict.
type skip struct{ reason string }

func (s *skip) Error() string { return s.reason }

// failure is an expectation that did not hold, with where that was.
type failure struct {
	step string
	text string
}

func (f *failure) Error() string { return f.step + ": " + f.text }

// run is one scenario under one assignment.
type run struct {
	suite  *suite
	scn    *scenario.Scenario
	assign scenario.Assignment

	dir   string
	start time.Time
	ctx   context.Context
	redis *redisServer
	vars  *scenario.Scope

	mu      sync.Mutex
	peers   map[string]*peer
	logs    map[string]*eventLog
	proxies map[string]*proxy
	mon     *monitor
	pending map[string]*asyncCall
	goldens map[string]any
	order   []string // names of the golden dumps

	took time.Duration
	end  outcome
	err  error
}

func newRun(s *suite, scn *scenario.Scenario, a scenario.Assignment) *run {
	return &run{
		suite: s, scn: scn, assign: a,
		peers: map[string]*peer{}, logs: map[string]*eventLog{}, proxies: map[string]*proxy{},
		pending: map[string]*asyncCall{}, goldens: map[string]any{},
	}
}

func (r *run) String() string { return r.scn.Name + "  " + r.assign.String() }

// execute does the whole run and leaves its verdict in end and err.
func (r *run) execute() {
	r.start = time.Now()
	err := r.work()
	r.took = time.Since(r.start)
	var sk *skip
	switch {
	case err == nil:
		r.end = passed
	case errors.As(err, &sk):
		r.end, r.err = skipped, err
	default:
		r.end, r.err = failed, err
	}
}

func (r *run) work() (err error) {
	for _, impl := range r.assign {
		path, ok := r.suite.impls[impl]
		if !ok {
			return fmt.Errorf("no implementation is called %q (see --impl)", impl)
		}
		if _, e := os.Stat(path); e != nil {
			if r.suite.strict {
				return fmt.Errorf("the peer of %q is not there: %w", impl, e)
			}
			return &skip{fmt.Sprintf("the peer of %q is not there", impl)}
		}
	}
	limit := 90 * time.Second
	if r.scn.Within != "" {
		if limit, err = time.ParseDuration(r.scn.Within); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(r.suite.ctx, limit, fmt.Errorf("the run took longer than %s", limit))
	defer cancel()
	r.ctx = ctx
	if r.dir, err = os.MkdirTemp("", "compat-"); err != nil {
		return err
	}
	defer func() {
		var sk *skip
		if err != nil && !errors.As(err, &sk) {
			err = fmt.Errorf("%w%s", err, r.context())
			if r.suite.keep {
				fmt.Fprintf(os.Stderr, "kept: %s\n", r.dir)
				return
			}
		}
		_ = os.RemoveAll(r.dir)
	}()
	defer r.cleanup()
	if r.redis, err = startRedis(ctx, r.suite.redisPath, r.dir, r.scn.Redis); err != nil {
		return err
	}
	r.vars = scenario.NewScope(nil)
	r.vars.Set("start", float64(time.Now().Unix()))
	r.vars.Set("redis_socket", r.redis.socket)
	r.vars.Set("redis_uri", r.redis.uri())
	r.vars.Set("redis_port", float64(r.redis.port))
	r.vars.Set("tmp", r.dir)
	for role, impl := range r.assign {
		r.vars.Set("impl_"+role, impl)
	}
	for k, v := range r.scn.Vars {
		e, err := r.vars.Expand(v)
		if err != nil {
			return err
		}
		r.vars.Set(k, e)
	}
	for _, role := range r.scn.Proxied {
		p, err := startProxy(filepath.Join(r.dir, role+".sock"), r.redis.socket)
		if err != nil {
			return err
		}
		r.proxies[role] = p
	}
	if err := r.steps(r.vars, "", r.scn.Steps); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		if bad := p.complaint(); bad != nil {
			return bad
		}
	}
	return nil
}

func (r *run) cleanup() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range r.peers {
		wg.Add(1)
		go func() { defer wg.Done(); p.kill() }()
	}
	wg.Wait()
	for _, p := range r.proxies {
		p.stop()
	}
	if r.mon != nil {
		r.mon.stop()
	}
	if r.redis != nil {
		r.redis.stop()
	}
}

// context gives the tails of the logs of a run that failed.
func (r *run) context() string {
	var b strings.Builder
	roles := make([]string, 0, len(r.assign))
	for role := range r.assign {
		roles = append(roles, role)
	}
	sort.Strings(roles)
	for _, role := range roles {
		if t := tail(r.stderrName(role), 15); t != "" {
			fmt.Fprintf(&b, "\n    stderr of %s (%s):\n%s", role, r.assign[role], t)
		}
		if l := r.logs[role]; l != nil {
			l.visit(func(events []*event) {
				if n := len(events); n > 0 {
					fmt.Fprintf(&b, "\n    last events of %s (%d in all):", role, n)
					for _, e := range events[max(0, n-6):] {
						used := " "
						if e.used {
							used = "✓"
						}
						fmt.Fprintf(&b, "\n      %s %s", used, cut(scenario.Text(e.body), 300))
					}
				}
			})
		}
	}
	if r.mon != nil {
		if t := tail(filepath.Join(r.dir, "asynqmon.log"), 8); t != "" {
			fmt.Fprintf(&b, "\n    asynqmon:\n%s", t)
		}
	}
	if r.redis == nil {
		if t := tail(filepath.Join(r.dir, "redis.log"), 8); t != "" {
			fmt.Fprintf(&b, "\n    redis:\n%s", t)
		}
	}
	return b.String()
}

func (r *run) stderrName(role string) string { return filepath.Join(r.dir, role+".stderr") }

func tail(name string, lines int) string {
	raw, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	var b strings.Builder
	for _, l := range all[max(0, len(all)-lines):] {
		if len(l) > 0 {
			fmt.Fprintf(&b, "      %s\n", cut(string(l), 300))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// events gives the log of a role.
func (r *run) events(role string) *eventLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.logs[role]
	if !ok {
		l = newEventLog()
		r.logs[role] = l
	}
	return l
}

// peer gives the process of a role, started at its first use.
func (r *run) peer(scope *scenario.Scope, role string) (*peer, error) {
	r.mu.Lock()
	p, ok := r.peers[role]
	r.mu.Unlock()
	if ok {
		return p, nil
	}
	return r.spawn(scope, role)
}

// spawn starts a process for a role, in the place of one that has ended.
func (r *run) spawn(scope *scenario.Scope, role string) (*peer, error) {
	impl, ok := r.assign[role]
	if !ok {
		return nil, fmt.Errorf("no role %q", role)
	}
	uri := r.redis.uri()
	if px, ok := r.proxies[role]; ok {
		uri = socketURI(px.path)
	}
	if u, ok := r.scn.URIs[role]; ok {
		v, err := scope.Expand(u)
		if err != nil {
			return nil, err
		}
		uri = fmt.Sprint(v)
	}
	r.mu.Lock()
	old := r.peers[role]
	r.mu.Unlock()
	if old != nil && !old.waitExit(0) {
		return nil, fmt.Errorf("role %s is running already", role)
	}
	p, err := startPeer(role, r.suite.impls[impl], uri, r.stderrName(role), r.events(role))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.peers[role] = p
	r.mu.Unlock()
	if err := p.hello(r.ctx); err != nil {
		return nil, fmt.Errorf("role %s (%s): %w", role, impl, err)
	}
	return p, nil
}

// monitor gives the run's asynqmon, started at its first use.
func (r *run) monitor() (*monitor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mon == nil {
		path := filepath.Join(r.suite.bin, "asynqmon")
		if _, err := os.Stat(path); err != nil {
			if r.suite.strict {
				return nil, err
			}
			return nil, &skip{"asynqmon is not there"}
		}
		m, err := startMonitor(r.ctx, path, r.redis.uri(), filepath.Join(r.dir, "asynqmon.log"))
		if err != nil {
			return nil, err
		}
		r.mon = m
	}
	return r.mon, nil
}
