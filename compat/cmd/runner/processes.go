package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"rasynq/compat/internal/scenario"
)

// peer returns the process of a role. It is started at its first use.
func (r *run) peer(scope *scenario.Scope, role string) (*peer, error) {
	r.mu.Lock()
	p, ok := r.peers[role]
	r.mu.Unlock()
	if ok {
		return p, nil
	}
	return r.spawn(scope, role)
}

// runningPeer returns the process of a role that was started already.
func (r *run) runningPeer(role string) (*peer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.peers[role]
	if !ok {
		return nil, fmt.Errorf("role %q is not running", role)
	}
	return p, nil
}

// spawn starts a process for a role whose previous process, if any, has ended.
func (r *run) spawn(scope *scenario.Scope, role string) (*peer, error) {
	impl, ok := r.assign[role]
	if !ok {
		return nil, fmt.Errorf("no role %q", role)
	}
	uri, err := r.uriOf(scope, role)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	old := r.peers[role]
	r.mu.Unlock()
	if old != nil && !old.waitExit(0) {
		return nil, fmt.Errorf("role %s is running already", role)
	}
	p, err := startPeer(role, r.suite.peers[impl], uri, r.stderrName(role), r.events(role))
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

// uriOf is the address of Redis that a role is started with.
func (r *run) uriOf(scope *scenario.Scope, role string) (string, error) {
	if uri, ok := r.scn.URIs[role]; ok {
		v, err := scope.Expand(uri)
		return fmt.Sprint(v), err
	}
	if p, ok := r.proxies[role]; ok {
		return socketURI(p.path), nil
	}
	return r.redis.uri(), nil
}

// asynqmon returns the asynqmon of the run. It is started at its first use.
func (r *run) asynqmon() (*monitor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.monitor != nil {
		return r.monitor, nil
	}
	path := filepath.Join(r.suite.bin, "asynqmon")
	if _, err := os.Stat(path); err != nil {
		if r.suite.strict {
			return nil, err
		}
		return nil, &skip{"asynqmon does not exist"}
	}
	m, err := startMonitor(r.ctx, path, r.redis.uri(), filepath.Join(r.dir, "asynqmon.log"))
	if err != nil {
		return nil, err
	}
	r.monitor = m
	return m, nil
}

func (r *run) stepSpawn(scope *scenario.Scope, f fields) error {
	_, err := r.spawn(scope, f.text("spawn"))
	return err
}

var signals = map[string]syscall.Signal{
	"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT,
	"SIGSTOP": syscall.SIGSTOP, "SIGCONT": syscall.SIGCONT, "SIGTSTP": syscall.SIGTSTP,
}

func (r *run) stepSignal(_ *scenario.Scope, f fields) error {
	s, ok := signals[f.text("signal")]
	if !ok {
		return fmt.Errorf("no signal %q", f.text("signal"))
	}
	p, err := r.runningPeer(f.text("role"))
	if err != nil {
		return err
	}
	if err := p.signal(s); err != nil {
		return err
	}
	if s == syscall.SIGKILL && !p.waitExit(10*time.Second) {
		return fmt.Errorf("the process is still running")
	}
	return nil
}

func (r *run) stepClose(_ *scenario.Scope, f fields) error {
	p, err := r.runningPeer(f.text("close"))
	if err != nil {
		return err
	}
	within, err := f.duration("within", callTime)
	if err != nil {
		return err
	}
	_ = p.in.Close()
	if !p.waitExit(within) {
		return fmt.Errorf("the process is still running %s after its stdin was closed", within)
	}
	if p.exit != nil {
		return fmt.Errorf("the process ended with %w", p.exit)
	}
	return nil
}
