package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// The tests drive the built program as a runner does, against a Redis of their own.
var (
	program string
	socket  string
	store   *redis.Client
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "go-peer-test")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "go-peer")
		if out, err := exec.Command("go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		socket = filepath.Join(dir, "redis.sock")
		server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
		if err := server.Start(); err != nil {
			panic(err)
		}
		defer server.Wait()
		defer server.Process.Kill()
		store = redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
		for try := 0; store.Ping(ctx()).Err() != nil; try++ {
			if try > 200 {
				panic("redis-server does not answer")
			}
			time.Sleep(20 * time.Millisecond)
		}
		return m.Run()
	}())
}

type object = map[string]any

// driven is a running peer.
type driven struct {
	t     *testing.T
	stdin io.WriteCloser
	cmd   *exec.Cmd
	ended chan struct{}

	mu      sync.Mutex
	news    *sync.Cond
	next    int
	answers map[int]object
	events  []object
}

func start(t *testing.T) *driven {
	t.Helper()
	if err := store.FlushAll(ctx()).Err(); err != nil {
		t.Fatal(err)
	}
	return startOn(t, "redis-socket://"+socket)
}

func startOn(t *testing.T, uri string) *driven {
	t.Helper()
	d := &driven{t: t, cmd: exec.Command(program, "--redis", uri), ended: make(chan struct{}), answers: map[int]object{}}
	d.news = sync.NewCond(&d.mu)
	var err error
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var line object
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("not JSON: %s", lines.Text())
				continue
			}
			d.mu.Lock()
			if _, ok := line["event"]; ok {
				d.events = append(d.events, line)
			} else if id, ok := line["id"].(float64); ok {
				d.answers[int(id)] = line
			} else {
				d.answers[-1] = line
			}
			d.news.Broadcast()
			d.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		d.close()
		d.cmd.Process.Kill()
		d.cmd.Wait()
	})
	return d
}

// close closes stdin and waits for the peer to end.
func (d *driven) close() {
	d.stdin.Close()
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		d.t.Error("the peer does not end")
	}
}

// await waits until look finds something.
func (d *driven) await(what string, look func() (object, bool)) object {
	d.t.Helper()
	late := time.Now().Add(15 * time.Second)
	wake := time.AfterFunc(15*time.Second, d.news.Broadcast)
	defer wake.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if found, ok := look(); ok {
			return found
		}
		if time.Now().After(late) {
			d.t.Fatalf("%s did not come; events: %v", what, d.events)
		}
		d.news.Wait()
	}
}

func (d *driven) send(text string) int {
	d.t.Helper()
	d.mu.Lock()
	d.next++
	id := d.next
	d.mu.Unlock()
	line := fmt.Sprintf(`{"id":%d,%s`+"\n", id, strings.TrimPrefix(strings.Join(strings.Fields(text), " "), "{"))
	if _, err := io.WriteString(d.stdin, line); err != nil {
		d.t.Fatal(err)
	}
	return id
}

func (d *driven) answer(id int) object {
	d.t.Helper()
	return d.await(fmt.Sprintf("answer %d", id), func() (object, bool) {
		a, ok := d.answers[id]
		return a, ok
	})
}

// ok sends a request that must succeed. Its %v are filled in.
func (d *driven) ok(format string, args ...any) any {
	d.t.Helper()
	request := fmt.Sprintf(format, args...)
	a := d.answer(d.send(request))
	if a["err"] != nil {
		d.t.Fatalf("%s: %v", request, a["err"])
	}
	return a["ok"]
}

// refused sends a request that must fail with this kind, and returns the text.
func (d *driven) refused(kind, format string, args ...any) string {
	d.t.Helper()
	request := fmt.Sprintf(format, args...)
	a := d.answer(d.send(request))
	e, ok := a["err"].(object)
	if !ok || e["kind"] != kind {
		d.t.Errorf("%s: got %v, want kind %s", request, a, kind)
		return ""
	}
	return e["msg"].(string)
}

// event waits for an event that has these fields.
func (d *driven) event(name string, fields object) object {
	d.t.Helper()
	return d.await(fmt.Sprintf("event %s %v", name, fields), func() (object, bool) {
		for _, e := range d.events {
			if e["event"] == name && has(e, fields) {
				return e, true
			}
		}
		return nil, false
	})
}

func (d *driven) count(name string, fields object) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e["event"] == name && has(e, fields) {
			n++
		}
	}
	return n
}

func has(got, want object) bool {
	for k, v := range want {
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		if !reflect.DeepEqual(got[k], v) {
			return false
		}
	}
	return true
}

func expect(t *testing.T, got any, want object) {
	t.Helper()
	if o, ok := got.(object); !ok || !has(o, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// eventually repeats a request until it answers as wanted.
func (d *driven) eventually(want object, format string, args ...any) object {
	d.t.Helper()
	var got any
	for late := time.Now().Add(15 * time.Second); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		got = d.ok(format, args...)
		if o, ok := got.(object); ok && has(o, want) {
			return o
		}
	}
	d.t.Fatalf("got %v\nwant %v", got, want)
	return nil
}

func ctx() context.Context { return context.Background() }
