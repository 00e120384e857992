package main

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeRedis is a server that answers every request with its last word.
func fakeRedis(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				r := bufio.NewReader(c)
				for {
					request, err := readRequest(r)
					if err != nil {
						return
					}
					words := strings.Split(strings.TrimSpace(string(request)), "\r\n")
					if _, err := fmt.Fprintf(c, "+%s\r\n", words[len(words)-1]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

func respCommand(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// proxyTest is a proxy before a fake Redis.
type proxyTest struct {
	*testing.T
	*proxy
}

func newProxyTest(t *testing.T) proxyTest {
	t.Helper()
	dir := t.TempDir()
	upstream := filepath.Join(dir, "up")
	fakeRedis(t, upstream)
	p, err := startProxy(filepath.Join(dir, "px"), upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return proxyTest{t, p}
}

func (t proxyTest) mode(mode string) {
	t.Helper()
	if err := t.setMode(mode); err != nil {
		t.Fatal(err)
	}
}

// proxyClient is a client's connection to the proxy.
type proxyClient struct {
	net.Conn
	t proxyTest
	r *bufio.Reader
}

func (t proxyTest) dial() proxyClient {
	t.Helper()
	c, err := net.Dial("unix", t.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return proxyClient{c, t, bufio.NewReader(c)}
}

func (c proxyClient) send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c proxyClient) receive(want string) {
	c.t.Helper()
	got, err := readRESP(c.r)
	if err != nil || string(got) != want {
		c.t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

func (c proxyClient) receiveNothing() {
	c.t.Helper()
	if got, err := readRESP(c.r); err == nil {
		c.t.Fatalf("got %q, want no reply", got)
	}
}

func TestProxyRules(t *testing.T) {
	p := newProxyTest(t)

	c := p.dial()
	c.send("hello 3\r\n")
	c.receive("+hello 3\r\n")
	p.addRule(&proxyRule{request: [][]byte{[]byte("fail")}, action: "error", text: "ERR no", times: 1})
	c.send(respCommand("GET", "a") + respCommand("GET", "fail") + respCommand("GET", "b") + respCommand("GET", "fail"))
	c.receive("+a\r\n")
	c.receive("-ERR no\r\n")
	c.receive("+b\r\n")
	c.receive("+fail\r\n")

	p.addRule(&proxyRule{reply: [][]byte{[]byte("secret")}, action: "drop_reply", times: 1})
	c.send(respCommand("GET", "a"))
	c.receive("+a\r\n")
	c.send(respCommand("GET", "secret"))
	c.receiveNothing()
	if err := p.awaitFired(2, time.Second); err != nil {
		t.Fatal(err)
	}

	c = p.dial()
	p.addRule(&proxyRule{request: [][]byte{[]byte("lost")}, action: "drop_request", times: 1})
	c.send(respCommand("GET", "lost"))
	c.receiveNothing()
}

func TestProxyModes(t *testing.T) {
	p := newProxyTest(t)

	c := p.dial()
	p.mode("black_hole")
	c.send(respCommand("GET", "held"))
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	c.receiveNothing()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	p.mode("open")
	c.receive("+held\r\n")

	p.mode("refuse")
	c.receiveNothing()
	if c, err := net.Dial("unix", p.path); err == nil {
		c.Close()
		t.Fatal("a proxy that refuses accepted a connection")
	}
	p.mode("open")
	c = p.dial()
	c.send(respCommand("GET", "again"))
	c.receive("+again\r\n")
	p.mode("cut")
	c.receiveNothing()
}

func TestReadRESP(t *testing.T) {
	for _, text := range []string{
		"+OK\r\n", "-ERR x\r\n", ":1\r\n", "$-1\r\n", "$3\r\na\r\n\r\n", "*-1\r\n", "*0\r\n", "*2\r\n$1\r\na\r\n:2\r\n",
		"%1\r\n+k\r\n*1\r\n+v\r\n", "~1\r\n+x\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", ">2\r\n+message\r\n+x\r\n",
		"|1\r\n+k\r\n+v\r\n:5\r\n", "=7\r\ntxt:abc\r\n", "(123456789012345678901234567890\r\n",
	} {
		r := bufio.NewReader(strings.NewReader(text + "+next\r\n"))
		got, err := readRESP(r)
		if err != nil || string(got) != text {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
		if next, err := readRESP(r); err != nil || string(next) != "+next\r\n" {
			t.Errorf("%q: then %q, %v", text, next, err)
		}
	}
	for _, text := range []string{"", "x\r\n", "hello\r\n", "$x\r\n", "$5\r\nab"} {
		if got, err := readRESP(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q was accepted as %q", text, got)
		}
	}
	if name := commandName([]byte("hello 3\r\n")); name != "HELLO" {
		t.Error(name)
	}
	if name := commandName([]byte(respCommand("subscribe", "x"))); name != "SUBSCRIBE" {
		t.Error(name)
	}
}
