package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"rasynq/compat/internal/scenario"
)

// peerError is an error as a peer answered it.
type peerError struct {
	Kind string `json:"kind"`
	Msg  string `json:"msg"`
}

func (e *peerError) Error() string { return e.Kind + ": " + e.Msg }

var errPeerEnded = errors.New("the peer's process has ended")

type answer struct {
	ok  any
	err error
}

// peer is one process of a role.
type peer struct {
	role   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	events *eventLog

	mu      sync.Mutex
	next    int                 // the id of the latest request
	waiting map[int]chan answer // by the id of the request
	done    chan struct{}       // closes when the process has ended
	exit    error               // how it ended
	breach  error               // the first line that breaks the peer interface
}

func startPeer(role, path, uri, stderr string, events *eventLog) (*peer, error) {
	log, err := os.OpenFile(stderr, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &peer{role: role, events: events, waiting: map[int]chan answer{}, done: make(chan struct{})}
	p.cmd = exec.Command(path, "--redis", uri)
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.read(out)
	return p, nil
}

func (p *peer) read(out io.Reader) {
	r := bufio.NewReaderSize(out, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			p.line(line)
		}
		if err != nil {
			break
		}
	}
	p.exit = p.cmd.Wait()
	close(p.done)
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.waiting {
		c <- answer{err: errPeerEnded}
		delete(p.waiting, id)
	}
}

func (p *peer) line(line []byte) {
	var m struct {
		ID    *int             `json:"id"`
		OK    any              `json:"ok"`
		Err   *json.RawMessage `json:"err"`
		Event string           `json:"event"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		p.complain(fmt.Errorf("not a line of the peer interface: %.200s", line))
		return
	}
	if m.Event != "" {
		var body map[string]any
		if err := json.Unmarshal(line, &body); err != nil {
			p.complain(err)
			return
		}
		if _, ok := body["role"]; !ok {
			body["role"] = p.role
		}
		p.events.add(&event{name: m.Event, body: body})
		return
	}
	if m.ID == nil {
		p.complain(fmt.Errorf("neither an answer nor an event: %.200s", line))
		return
	}
	a := answer{ok: m.OK}
	if m.Err != nil {
		e := &peerError{}
		if err := json.Unmarshal(*m.Err, e); err != nil {
			p.complain(fmt.Errorf("not an error of the peer interface: %.200s", line))
			return
		}
		a = answer{err: e}
	}
	p.mu.Lock()
	c, ok := p.waiting[*m.ID]
	delete(p.waiting, *m.ID)
	p.mu.Unlock()
	if !ok {
		p.complain(fmt.Errorf("an answer to no request: %.200s", line))
		return
	}
	c <- a
}

func (p *peer) complain(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.breach == nil {
		p.breach = fmt.Errorf("role %s: %w", p.role, err)
	}
}

// complaint is the first line that broke the peer interface; nil for none.
func (p *peer) complaint() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breach
}

// call sends a request and returns the channel on which its answer will come.
func (p *peer) call(op string, args map[string]any) (<-chan answer, error) {
	req := map[string]any{"op": op}
	for k, v := range args {
		req[k] = v
	}
	c := make(chan answer, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	req["id"] = p.next
	line, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return nil, errPeerEnded
	default:
	}
	p.waiting[p.next] = c
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		delete(p.waiting, p.next)
		return nil, errPeerEnded
	}
	return c, nil
}

func wait(ctx context.Context, c <-chan answer, within time.Duration) (any, error) {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case a := <-c:
		return a.ok, a.err
	case <-t.C:
		return nil, fmt.Errorf("no answer within %s", within)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// hello checks that the process speaks version 1 of the peer interface.
func (p *peer) hello(ctx context.Context) error {
	c, err := p.call("hello", nil)
	if err != nil {
		return err
	}
	v, err := wait(ctx, c, 20*time.Second)
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if bad := (scenario.Matcher{}).Match(map[string]any{"peer": 1.0}, v); len(bad) > 0 {
		return fmt.Errorf("hello: %s", bad[0])
	}
	return nil
}

func (p *peer) signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *peer) waitExit(within time.Duration) bool {
	select {
	case <-p.done:
		return true
	default:
	}
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// kill ends the process with SIGKILL.
func (p *peer) kill() {
	_ = p.signal(syscall.SIGKILL)
	p.waitExit(5 * time.Second)
	_ = p.in.Close()
}
