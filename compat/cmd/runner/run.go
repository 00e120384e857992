package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rasynq/compat/internal/scenario"
)

// outcome is the result of a run.
type outcome int

const (
	passed outcome = iota
	failed
	skipped
)

func (o outcome) String() string { return [...]string{"PASS", "FAIL", "SKIP"}[o] }

// skip is the error of a run that cannot be judged.
type skip struct{ reason string }

func (s *skip) Error() string { return s.reason }

func isSkip(err error) bool {
	var s *skip
	return errors.As(err, &s)
}

// run is one scenario under one assignment, on a Redis server of its own.
type run struct {
	suite  *suite
	scn    *scenario.Scenario
	assign scenario.Assignment

	dir   string
	start time.Time
	ctx   context.Context
	redis *redisServer
	vars  *scenario.Scope
	// arrivals announces the events of all roles.
	arrivals *broadcast

	mu        sync.Mutex
	peers     map[string]*peer
	logs      map[string]*eventLog
	proxies   map[string]*proxy
	monitor   *monitor
	pending   map[string]*request
	dumps     map[string]any // golden dumps by their names
	dumpNames []string

	took    time.Duration
	outcome outcome
	err     error
}

func newRun(s *suite, scn *scenario.Scenario, a scenario.Assignment) *run {
	return &run{
		suite: s, scn: scn, assign: a, arrivals: newBroadcast(),
		peers: map[string]*peer{}, logs: map[string]*eventLog{}, proxies: map[string]*proxy{},
		pending: map[string]*request{}, dumps: map[string]any{},
	}
}

func (r *run) String() string { return r.scn.Name + "  " + r.assign.String() }

// execute does the whole run and sets outcome, err and took.
func (r *run) execute() {
	r.start = time.Now()
	err := r.perform()
	r.took = time.Since(r.start)
	switch {
	case err == nil:
		r.outcome = passed
	case isSkip(err):
		r.outcome, r.err = skipped, err
	default:
		r.outcome, r.err = failed, err
	}
}

// perform does the run in a directory of its own. A failure carries the tails
// of the logs.
func (r *run) perform() (err error) {
	if err := r.checkPeers(); err != nil {
		return err
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
		if err != nil && !isSkip(err) {
			err = fmt.Errorf("%w%s", err, r.evidence())
			if r.suite.keep {
				fmt.Fprintf(os.Stderr, "kept: %s\n", r.dir)
				return
			}
		}
		_ = os.RemoveAll(r.dir)
	}()
	defer r.cleanup()
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.steps(r.vars, "", r.scn.Steps); err != nil {
		return err
	}
	return r.complaint()
}

// checkPeers fails where a peer that takes part does not exist.
func (r *run) checkPeers() error {
	for _, impl := range r.assign {
		path, ok := r.suite.peers[impl]
		if !ok {
			return fmt.Errorf("there is no implementation %q (see --impl)", impl)
		}
		if _, err := os.Stat(path); err != nil {
			if r.suite.strict {
				return fmt.Errorf("the peer of %q does not exist: %w", impl, err)
			}
			return &skip{fmt.Sprintf("the peer of %q does not exist", impl)}
		}
	}
	return nil
}

// prepare starts Redis and the proxies, and sets the first variables.
func (r *run) prepare() (err error) {
	if r.redis, err = startRedis(r.ctx, r.suite.redisServer, r.dir, r.scn.Redis); err != nil {
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
	for name, v := range r.scn.Vars {
		value, err := r.vars.Expand(v)
		if err != nil {
			return err
		}
		r.vars.Set(name, value)
	}
	for _, role := range r.scn.Proxied {
		p, err := startProxy(filepath.Join(r.dir, role+".sock"), r.redis.socket)
		if err != nil {
			return err
		}
		r.proxies[role] = p
	}
	return nil
}

// complaint is the first breach of the peer interface by any of the peers.
func (r *run) complaint() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		if err := p.complaint(); err != nil {
			return err
		}
	}
	return nil
}

// cleanup ends all processes of the run.
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
	if r.monitor != nil {
		r.monitor.stop()
	}
	if r.redis != nil {
		r.redis.stop()
	}
}
