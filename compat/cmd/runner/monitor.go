package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// monitor is a process of the real asynqmon on a run's Redis.
type monitor struct {
	cmd  *exec.Cmd
	base string
	done chan struct{}
}

func startMonitor(ctx context.Context, binary, uri, logName string) (*monitor, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(logName)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	m := &monitor{base: "http://" + addr, done: make(chan struct{})}
	m.cmd = exec.Command(binary, "--redis", uri, "--listen", addr)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.done)
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, _, err = m.do(ctx, "GET", "/api/queues", nil); err == nil {
			return m, nil
		}
		select {
		case <-m.done:
			return nil, fmt.Errorf("asynqmon ended at its start: see asynqmon.log")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.stop()
			return nil, fmt.Errorf("asynqmon does not answer: %w", err)
		}
	}
}

// do sends one request and returns the status and the body. A body that is not
// JSON is returned as text.
func (m *monitor) do(ctx context.Context, method, path string, body any) (int, any, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, in)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var v any
	if len(raw) > 0 && json.Unmarshal(raw, &v) != nil {
		v = string(raw)
	}
	return resp.StatusCode, v, nil
}

func (m *monitor) stop() {
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	<-m.done
}
