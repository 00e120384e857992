package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// proxyRule disturbs the commands that it fits.
type proxyRule struct {
	// all of these are in the request, none of those
	request    [][]byte
	notRequest [][]byte
	// all of these are in the reply (drop_reply and delay_reply only)
	reply  [][]byte
	action string
	text   string
	delay  time.Duration
	times  int
}

func (r *proxyRule) fits(request []byte) bool {
	for _, s := range r.request {
		if !bytes.Contains(request, s) {
			return false
		}
	}
	for _, s := range r.notRequest {
		if bytes.Contains(request, s) {
			return false
		}
	}
	return true
}

func (r *proxyRule) fitsReply(reply []byte) bool {
	for _, s := range r.reply {
		if !bytes.Contains(reply, s) {
			return false
		}
	}
	return true
}

// proxy stands between a role and its Redis.
type proxy struct {
	path, upstream string

	mu     sync.Mutex
	mode   string // open, refuse, black_hole
	gate   chan struct{}
	rules  []*proxyRule
	fired  int
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

// setMode changes what happens to every connection: `open` passes all on,
// `refuse` takes none and ends those there are, `black_hole` keeps them but
// passes nothing, `cut` ends those there are and takes new ones.
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

// awaitFired waits until the rules have struck n times in all.
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
			return fmt.Errorf("the proxy's rules struck %d times within %s, not %d", fired, within, n)
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

// take finds the rule that a request meets; rules that look at the reply are
// only used up when the reply fits.
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

func (p *proxy) use(r *proxyRule) {
	r.times--
	p.fired++
	close(p.change)
	p.change = make(chan struct{})
}

func (p *proxy) pass() {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	<-gate
}

// slot is the place of one request in the order of a connection's replies.
type slot struct {
	rule   *proxyRule
	answer []byte // not from upstream
	stream bool   // from here on replies come unasked
}

func (p *proxy) serve(client net.Conn) {
	upstream, err := net.Dial("unix", p.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	if p.mode == "refuse" {
		p.mu.Unlock()
		_ = client.Close()
		_ = upstream.Close()
		return
	}
	p.conns[client], p.conns[upstream] = true, true
	p.mu.Unlock()
	var once sync.Once
	end := make(chan struct{})
	finish := func() {
		once.Do(func() {
			close(end)
			_ = client.Close()
			_ = upstream.Close()
			p.mu.Lock()
			delete(p.conns, client)
			delete(p.conns, upstream)
			p.mu.Unlock()
		})
	}
	slots := make(chan slot, 1<<16)
	replies := make(chan []byte, 1<<10)
	var write sync.Mutex
	send := func(b []byte) bool {
		p.pass()
		write.Lock()
		defer write.Unlock()
		_, err := client.Write(b)
		return err == nil
	}
	go func() { // requests
		defer finish()
		in := bufio.NewReaderSize(client, 1<<16)
		for {
			request, err := readRequest(in)
			if err != nil {
				return
			}
			p.pass()
			s := slot{rule: p.take(request)}
			forward := true
			if s.rule != nil {
				switch s.rule.action {
				case "drop_request":
					return
				case "error":
					s.answer, forward = []byte("-"+s.rule.text+"\r\n"), false
				case "delay":
					select {
					case <-time.After(s.rule.delay):
					case <-end:
						return
					}
				}
			}
			switch commandName(request) {
			case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR":
				s.stream = true
			}
			select {
			case slots <- s:
			case <-end:
				return
			}
			if forward {
				if _, err := upstream.Write(request); err != nil {
					return
				}
			}
		}
	}()
	go func() { // what comes from Redis
		defer finish()
		out := bufio.NewReaderSize(upstream, 1<<16)
		for {
			reply, err := readRESP(out)
			if err != nil {
				return
			}
			if reply[0] == '>' {
				if !send(reply) {
					return
				}
				continue
			}
			select {
			case replies <- reply:
			case <-end:
				return
			}
		}
	}()
	defer finish()
	stream := false
	for {
		if stream {
			select {
			case reply := <-replies:
				if !send(reply) {
					return
				}
			case <-end:
				return
			}
			continue
		}
		var s slot
		select {
		case s = <-slots:
		case <-end:
			return
		}
		stream = s.stream
		if s.answer != nil {
			if !send(s.answer) {
				return
			}
			continue
		}
		select {
		case reply := <-replies:
			if s.rule != nil && p.takeReply(s.rule, reply) {
				switch s.rule.action {
				case "drop_reply":
					return
				case "delay_reply":
					select {
					case <-time.After(s.rule.delay):
					case <-end:
						return
					}
				}
			}
			if !send(reply) {
				return
			}
		case <-end:
			return
		}
	}
}
