package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// Environment variables that make this program a peer: a liar in front of a good one.
const (
	lieVariable  = "ASYNQ_TESTS_LIE"
	peerVariable = "ASYNQ_TESTS_GOOD_PEER"
)

// message is a request, an answer or an event.
type message map[string]any

// lie is one way to do wrong. At most one of its parts is set; the first lie has none
// and says the truth.
type lie struct {
	test    string // name of the test that must fail, as a regular expression
	uri     string // reaches this Redis instead
	request func(message)
	answer  func(request, answer message)
	event   func(message) bool // false: the event is left out
}

// selftest shows that the judge notices a peer that does wrong: it puts a liar in
// front of a good peer, one lie at a time, and a test must fail each time.
func selftest(ctx context.Context, o *options) (bool, error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	good := o.peer
	missed := 0
	for n, l := range lies {
		if !o.only.MatchString(l.test) {
			continue
		}
		cmd := exec.CommandContext(ctx, self, "--peer", self, "--only", "^"+l.test,
			"--jobs", strconv.Itoa(o.jobs), "--redis-server", o.redisServer, "--folder", o.folder)
		cmd.Env = append(os.Environ(), asLiar(n, good)...)
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		failed := err != nil && strings.Contains(string(out), " fail  Test")
		if isTruth := n == 0; failed == isTruth {
			missed++
			fmt.Printf("missed  %d  %s\n%s", n, l.test, out)
			continue
		}
		fmt.Printf("noticed  %d  %s\n", n, l.test)
	}
	fmt.Printf("%d lies missed\n", missed)
	return missed == 0, nil
}

// asLiar is the environment in which the judge takes this program for its peer.
func asLiar(n int, good string) []string {
	return []string{lieVariable + "=" + strconv.Itoa(n), peerVariable + "=" + good}
}

// isLiar reports whether the judge has started this program as its peer.
func isLiar() bool {
	return os.Getenv(lieVariable) != "" && len(os.Args) == 3 && os.Args[1] == "--redis"
}

// lieAsPeer passes requests and answers between the judge and the good peer, and
// tells its lie.
func lieAsPeer() error {
	n, err := strconv.Atoi(os.Getenv(lieVariable))
	if err != nil || n < 0 || n >= len(lies) {
		return fmt.Errorf("%s is no number of a lie", lieVariable)
	}
	l, uri := lies[n], os.Args[2]
	if l.uri != "" {
		uri = l.uri
	}
	peer := exec.Command(os.Getenv(peerVariable), "--redis", uri)
	peer.Stderr = os.Stderr
	in, err := peer.StdinPipe()
	if err != nil {
		return err
	}
	out, err := peer.StdoutPipe()
	if err != nil {
		return err
	}
	if err := peer.Start(); err != nil {
		return err
	}
	asked := &requests{byID: map[float64]message{}}
	told := make(chan error, 1)
	go func() { told <- eachLine(out, os.Stdout, func(m message) bool { return l.tell(m, asked) }) }()
	err = eachLine(os.Stdin, in, func(m message) bool {
		asked.add(m)
		if l.request != nil {
			l.request(m)
		}
		return true
	})
	if err != nil {
		return err
	}
	in.Close()
	if err := <-told; err != nil {
		return err
	}
	return peer.Wait()
}

// tell changes an answer or an event, and returns whether it is passed on.
func (l lie) tell(m message, asked *requests) bool {
	if _, ok := m["event"]; ok {
		return l.event == nil || l.event(m)
	}
	if request := asked.take(m); l.answer != nil && request != nil {
		l.answer(request, m)
	}
	return true
}

// requests are those without an answer.
type requests struct {
	mu   sync.Mutex
	byID map[float64]message
}

// add keeps a copy, because the liar may change the request.
func (r *requests) add(m message) {
	copied := message{}
	for k, v := range m {
		copied[k] = v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := m["id"].(float64); ok {
		r.byID[id] = copied
	}
}

func (r *requests) take(answer message) message {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, _ := answer["id"].(float64)
	request := r.byID[id]
	delete(r.byID, id)
	return request
}

// eachLine passes on the JSON lines for which `change` returns true.
func eachLine(from io.Reader, to io.Writer, change func(message) bool) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var m message
			if err := json.Unmarshal(line, &m); err != nil {
				return err
			}
			if change(m) {
				changed, err := json.Marshal(m)
				if err != nil {
					return err
				}
				if _, err := to.Write(append(changed, '\n')); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
