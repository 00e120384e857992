package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// proxyRule disturbs commands by what their bytes contain.
type proxyRule struct {
	request    [][]byte // the request contains all of these
	notRequest [][]byte // the request contains none of these
	reply      [][]byte // the reply contains all of these (drop_reply and delay_reply only)
	action     string
	text       string // the error that the action `error` answers with
	delay      time.Duration
	times      int // how many commands the rule may still disturb
}

func (r *proxyRule) fits(request []byte) bool {
	return containsAll(request, r.request) && !slices.ContainsFunc(r.notRequest, func(part []byte) bool {
		return bytes.Contains(request, part)
	})
}

func (r *proxyRule) fitsReply(reply []byte) bool { return containsAll(reply, r.reply) }

func containsAll(text []byte, parts [][]byte) bool {
	for _, part := range parts {
		if !bytes.Contains(text, part) {
			return false
		}
	}
	return true
}

// proxy passes the connections of a role on to its Redis, and can disturb them.
type proxy struct {
	path, upstream string

	mu     sync.Mutex
	mode   string        // open, refuse, black_hole
	gate   chan struct{} // closed except while the mode is black_hole
	rules  []*proxyRule
	fired  int // how many commands were disturbed so far
	change chan struct{}
	conns  map[net.Conn]bool
	listen net.Listener
}

func startProxy(path, upstream string) (*proxy, error) {
	p := &proxy{path: path, upstream: upstream, mode: "open", conns: map[net.Conn]bool{}, change: make(chan struct{})}
	p.gate = make(chan struct{})
	close(p.gate)
	return p, p.open()
}

func (p *proxy) open() error {
	_ = os.Remove(p.path)
	l, err := net.Listen("unix", p.path)
	if err != nil {
		return err
	}
	p.listen = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return nil
}

// setMode changes what happens to every connection:
//
//	open        passes everything on
//	refuse      closes all connections and accepts none
//	cut         closes all connections and accepts new ones
//	black_hole  keeps all connections, but passes nothing on
func (p *proxy) setMode(mode string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch mode {
	case "open", "refuse", "black_hole", "cut":
	default:
		return fmt.Errorf("a proxy has no mode %q", mode)
	}
	if mode == "cut" || mode == "refuse" {
		for c := range p.conns {
			_ = c.Close()
		}
	}
	if mode == "cut" {
		return nil
	}
	old := p.mode
	p.mode = mode
	if old == "black_hole" && mode != old {
		close(p.gate)
	}
	switch {
	case mode == "black_hole" && old != mode:
		p.gate = make(chan struct{})
	case mode == "refuse" && old != mode:
		_ = p.listen.Close()
	}
	if old == "refuse" && mode != "refuse" {
		return p.open()
	}
	return nil
}

func (p *proxy) addRule(r *proxyRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

func (p *proxy) clearRules() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// awaitFired waits until the rules have disturbed n commands in all.
func (p *proxy) awaitFired(n int, within time.Duration) error {
	deadline := time.After(within)
	for {
		p.mu.Lock()
		fired, change := p.fired, p.change
		p.mu.Unlock()
		if fired >= n {
			return nil
		}
		select {
		case <-change:
		case <-deadline:
			return fmt.Errorf("the proxy's rules disturbed %d commands within %s, not %d", fired, within, n)
		}
	}
}

func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listen.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	if p.mode == "black_hole" {
		p.mode = "open"
		close(p.gate)
	}
}

// take finds the rule that disturbs a request. A rule that looks at the reply
// is counted later, by takeReply.
func (p *proxy) take(request []byte) *proxyRule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		if r.times > 0 && r.fits(request) {
			if len(r.reply) == 0 {
				p.use(r)
			}
			return r
		}
	}
	return nil
}

// takeReply reports whether the rule of a request disturbs its reply.
func (p *proxy) takeReply(r *proxyRule, reply []byte) bool {
	if len(r.reply) == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.times <= 0 || !r.fitsReply(reply) {
		return false
	}
	p.use(r)
	return true
}

// use counts one disturbed command.
func (p *proxy) use(r *proxyRule) {
	r.times--
	p.fired++
	close(p.change)
	p.change = make(chan struct{})
}

// pass waits while the proxy is a black hole.
func (p *proxy) pass() {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	<-gate
}
