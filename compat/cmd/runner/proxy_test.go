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

// fakeRedis answers every request with its last word.
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

func TestProxy(t *testing.T) {
	dir := t.TempDir()
	upstream, path := filepath.Join(dir, "up"), filepath.Join(dir, "px")
	fakeRedis(t, upstream)
	p, err := startProxy(path, upstream)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		return c, bufio.NewReader(c)
	}
	say := func(c net.Conn, text string) {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(r *bufio.Reader, want string) {
		t.Helper()
		got, err := readRESP(r)
		if err != nil || string(got) != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
	gone := func(r *bufio.Reader) {
		t.Helper()
		if got, err := readRESP(r); err == nil {
			t.Fatalf("got %q, want the connection's end", got)
		}
	}

	c, r := dial()
	say(c, "hello 3\r\n")
	hear(r, "+hello 3\r\n")
	p.addRule(&proxyRule{request: [][]byte{[]byte("fail")}, action: "error", text: "ERR no", times: 1})
	say(c, respCommand("GET", "a")+respCommand("GET", "fail")+respCommand("GET", "b")+respCommand("GET", "fail"))
	hear(r, "+a\r\n")
	hear(r, "-ERR no\r\n")
	hear(r, "+b\r\n")
	hear(r, "+fail\r\n")

	p.addRule(&proxyRule{reply: [][]byte{[]byte("secret")}, action: "drop_reply", times: 1})
	say(c, respCommand("GET", "a"))
	hear(r, "+a\r\n")
	say(c, respCommand("GET", "secret"))
	gone(r)
	if err := p.awaitFired(2, time.Second); err != nil {
		t.Fatal(err)
	}

	c, r = dial()
	p.addRule(&proxyRule{request: [][]byte{[]byte("lost")}, action: "drop_request", times: 1})
	say(c, respCommand("GET", "lost"))
	gone(r)

	c, r = dial()
	if err := p.setMode("black_hole"); err != nil {
		t.Fatal(err)
	}
	say(c, respCommand("GET", "held"))
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	gone(r)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if err := p.setMode("open"); err != nil {
		t.Fatal(err)
	}
	hear(r, "+held\r\n")

	if err := p.setMode("refuse"); err != nil {
		t.Fatal(err)
	}
	gone(r)
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		t.Fatal("a proxy that refuses took a connection")
	}
	if err := p.setMode("open"); err != nil {
		t.Fatal(err)
	}
	c, r = dial()
	say(c, respCommand("GET", "again"))
	hear(r, "+again\r\n")
	if err := p.setMode("cut"); err != nil {
		t.Fatal(err)
	}
	gone(r)
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
			t.Errorf("%q was read as %q", text, got)
		}
	}
	if name := commandName([]byte("hello 3\r\n")); name != "HELLO" {
		t.Error(name)
	}
	if name := commandName([]byte(respCommand("subscribe", "x"))); name != "SUBSCRIBE" {
		t.Error(name)
	}
}
