package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// monitor is a process of the real asynqmon on a run's Redis.
type monitor struct {
	*process
	base string
}

func startMonitor(ctx context.Context, binary, uri, log string) (*monitor, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	m := &monitor{base: "http://" + addr}
	if m.process, err = startProcess(log, binary, "--redis", uri, "--listen", addr); err != nil {
		return nil, err
	}
	err = m.awaitReady(func() error {
		_, _, err := m.do(ctx, "GET", "/api/queues", nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
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
