package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"sync"
	"time"
)

// head has the fields of every request.
type head struct {
	ID json.RawMessage `json:"id"`
	Op string          `json:"op"`
}

// envelope reads the id and the op of a request.
func envelope(line []byte) (id json.RawMessage, op string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, "", invalidf("a request is a JSON object a line: %v", err)
	}
	id = fields["id"]
	if err := json.Unmarshal(fields["op"], &op); err != nil {
		return id, "", invalidf("a request needs an op: %v", err)
	}
	return id, op, nil
}

// decode reads a JSON text into dst. Fields that dst does not have are `invalid`.
func decode(text []byte, dst any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(dst); err != nil {
		return invalidf("%v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalidf("text after the JSON value")
	}
	return nil
}

func blank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// lines writes whole lines, from any goroutine.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) write(v any) error {
	line, err := plainJSON(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(line)
	return err
}

// plainJSON is v as one line of JSON, without HTML escapes.
func plainJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return buf.Bytes(), err
}

type okLine struct {
	ID json.RawMessage `json:"id"`
	OK any             `json:"ok"`
}

type errLine struct {
	ID  json.RawMessage `json:"id"`
	Err *failure        `json:"err"`
}

func (l *lines) answer(id json.RawMessage, value any, err error) {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	var line any = okLine{id, value}
	if err != nil {
		line = errLine{id, classify(err)}
	}
	if err := l.write(line); err != nil {
		log.Printf("writing an answer: %v", err)
	}
}

// event writes an event. `event` and `at` replace given fields of these names.
func (l *lines) event(name string, fields map[string]any) {
	line := make(map[string]any, len(fields)+2)
	for k, v := range fields {
		line[k] = v
	}
	line["event"] = name
	line["at"] = time.Now().UnixMilli()
	if err := l.write(line); err != nil {
		log.Printf("writing an event: %v", err)
	}
}
