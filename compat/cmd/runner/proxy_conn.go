package main

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// proxyConn is one client's connection through a proxy. Three goroutines serve
// it: one reads requests, one reads replies, and one answers the client in the
// order of the requests.
type proxyConn struct {
	proxy            *proxy
	client, upstream net.Conn
	slots            chan replySlot
	replies          chan []byte

	write sync.Mutex
	once  sync.Once
	ended chan struct{}
}

// replySlot stands for one request in the order of the replies.
type replySlot struct {
	rule   *proxyRule
	answer []byte // sent instead of a reply from upstream
	stream bool   // from here on, replies come without requests
}

// serve passes a client's connection on until one side closes it.
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
	c := &proxyConn{
		proxy: p, client: client, upstream: upstream,
		slots: make(chan replySlot, 1<<16), replies: make(chan []byte, 1<<10), ended: make(chan struct{}),
	}
	go c.readRequests()
	go c.readReplies()
	c.answer()
}

// end closes both sides.
func (c *proxyConn) end() {
	c.once.Do(func() {
		close(c.ended)
		_ = c.client.Close()
		_ = c.upstream.Close()
		c.proxy.mu.Lock()
		defer c.proxy.mu.Unlock()
		delete(c.proxy.conns, c.client)
		delete(c.proxy.conns, c.upstream)
	})
}

// sleep reports whether the connection is still alive after that time.
func (c *proxyConn) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.ended:
		return false
	}
}

func (c *proxyConn) send(b []byte) bool {
	c.proxy.pass()
	c.write.Lock()
	defer c.write.Unlock()
	_, err := c.client.Write(b)
	return err == nil
}

// readRequests applies the rules to requests and passes them on.
func (c *proxyConn) readRequests() {
	defer c.end()
	in := bufio.NewReaderSize(c.client, 1<<16)
	for {
		request, err := readRequest(in)
		if err != nil {
			return
		}
		c.proxy.pass()
		slot := replySlot{rule: c.proxy.take(request)}
		if slot.rule != nil {
			switch slot.rule.action {
			case "drop_request":
				return
			case "error":
				slot.answer = []byte("-" + slot.rule.text + "\r\n")
			case "delay":
				if !c.sleep(slot.rule.delay) {
					return
				}
			}
		}
		switch commandName(request) {
		case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR":
			slot.stream = true
		}
		select {
		case c.slots <- slot:
		case <-c.ended:
			return
		}
		if slot.answer == nil {
			if _, err := c.upstream.Write(request); err != nil {
				return
			}
		}
	}
}

// readReplies reads what comes from Redis. Push messages go to the client at
// once, as they answer no request.
func (c *proxyConn) readReplies() {
	defer c.end()
	out := bufio.NewReaderSize(c.upstream, 1<<16)
	for {
		reply, err := readRESP(out)
		if err != nil {
			return
		}
		if reply[0] == '>' {
			if !c.send(reply) {
				return
			}
			continue
		}
		select {
		case c.replies <- reply:
		case <-c.ended:
			return
		}
	}
}

// answer sends the replies in the order of their requests.
func (c *proxyConn) answer() {
	defer c.end()
	for stream := false; ; {
		var slot replySlot
		if !stream {
			select {
			case slot = <-c.slots:
			case <-c.ended:
				return
			}
			stream = slot.stream
		}
		reply := slot.answer
		if reply == nil {
			select {
			case reply = <-c.replies:
			case <-c.ended:
				return
			}
			if !c.disturbReply(slot.rule, reply) {
				return
			}
		}
		if !c.send(reply) {
			return
		}
	}
}

// disturbReply applies a request's rule to the reply, and reports whether the
// reply is to be sent.
func (c *proxyConn) disturbReply(rule *proxyRule, reply []byte) bool {
	if rule == nil || !c.proxy.takeReply(rule, reply) {
		return true
	}
	switch rule.action {
	case "drop_reply":
		return false
	case "delay_reply":
		return c.sleep(rule.delay)
	}
	return true
}
