package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hibiken/asynq"
)

// duration is a Go duration text.
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil || string(text) == "null" {
		return fmt.Errorf("a duration is a text such as \"1m30s\", not %s", text)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = duration(parsed)
	return nil
}

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// unixTime is a time in unix seconds, to the nanosecond; Go's zero time is null.
type unixTime time.Time

func (t *unixTime) UnmarshalJSON(text []byte) error {
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil || n == "" || text[0] == '"' {
		return fmt.Errorf("a time is a number of unix seconds, not %s", text)
	}
	if f, err := n.Float64(); err != nil || math.Abs(f) > 1e15 {
		return fmt.Errorf("time out of range: %s", text)
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return fmt.Errorf("not a number: %s", text)
	}
	r.Mul(r, big.NewRat(1e9, 1))
	nanos := new(big.Int).Div(r.Num(), r.Denom())
	seconds, rest := new(big.Int).DivMod(nanos, big.NewInt(1e9), new(big.Int))
	*t = unixTime(time.Unix(seconds.Int64(), rest.Int64()))
	return nil
}

func (t unixTime) MarshalJSON() ([]byte, error) {
	at := time.Time(t)
	if at.IsZero() {
		return []byte("null"), nil
	}
	nanos := at.Nanosecond()
	if nanos == 0 {
		return strconv.AppendInt(nil, at.Unix(), 10), nil
	}
	if at.Unix() < 0 {
		return strconv.AppendFloat(nil, float64(at.Unix())+float64(nanos)/1e9, 'f', -1, 64), nil
	}
	return []byte(strings.TrimRight(fmt.Sprintf("%d.%09d", at.Unix(), nanos), "0")), nil
}

// data is bytes: {"utf8": …}, {"b64": …}, {"json": …} for what the language's encoder
// writes, or null for nil.
type data []byte

func (b *data) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*b = nil
		return nil
	}
	key, value, err := single(text)
	if err != nil {
		return err
	}
	switch key {
	case "utf8":
		var s *string
		if err := json.Unmarshal(value, &s); err != nil || s == nil {
			return fmt.Errorf("utf8 is a text, not %s", value)
		}
		*b = append(data{}, *s...)
	case "b64":
		var raw []byte
		if err := json.Unmarshal(value, &raw); err != nil || raw == nil {
			return fmt.Errorf("b64 is a text in base64, not %s", value)
		}
		*b = raw
	case "json":
		var x any
		if err := json.Unmarshal(value, &x); err != nil {
			return err
		}
		raw, err := json.Marshal(x)
		if err != nil {
			return err
		}
		*b = raw
	default:
		return fmt.Errorf("bytes are {\"utf8\": …} or {\"b64\": …}, not %q", key)
	}
	return nil
}

func (b data) MarshalJSON() ([]byte, error) {
	switch {
	case b == nil:
		return []byte("null"), nil
	case utf8.Valid(b):
		return plainJSON(map[string]string{"utf8": string(b)})
	default:
		return json.Marshal(map[string][]byte{"b64": b})
	}
}

// single reads an object that must have exactly one key.
func single(text []byte) (key string, value json.RawMessage, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", nil, err
	}
	if len(fields) != 1 {
		return "", nil, fmt.Errorf("an object with one key is needed, not %s", text)
	}
	for key, value = range fields {
	}
	return key, value, nil
}

// option is one OPT. This version of the library has no option for a header: it
// is a part of the task.
type option struct {
	set    asynq.Option
	header *[2]string
}

func (o *option) UnmarshalJSON(text []byte) error {
	key, value, err := single(text)
	if err != nil {
		return err
	}
	switch key {
	case "queue":
		return with(value, func(s string) { o.set = asynq.Queue(s) })
	case "max_retry":
		return with(value, func(n int) { o.set = asynq.MaxRetry(n) })
	case "task_id":
		return with(value, func(s string) { o.set = asynq.TaskID(s) })
	case "timeout":
		return with(value, func(d duration) { o.set = asynq.Timeout(time.Duration(d)) })
	case "deadline":
		return with(value, func(t unixTime) { o.set = asynq.Deadline(time.Time(t)) })
	case "unique":
		return with(value, func(d duration) { o.set = asynq.Unique(time.Duration(d)) })
	case "process_at":
		return with(value, func(t unixTime) { o.set = asynq.ProcessAt(time.Time(t)) })
	case "process_in":
		return with(value, func(d duration) { o.set = asynq.ProcessIn(time.Duration(d)) })
	case "retention":
		return with(value, func(d duration) { o.set = asynq.Retention(time.Duration(d)) })
	case "group":
		return with(value, func(s string) { o.set = asynq.Group(s) })
	case "header":
		var pair []string
		if err := json.Unmarshal(value, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("a header is a key and a value, not %s", value)
		}
		o.header = &[2]string{pair[0], pair[1]}
		return nil
	}
	return fmt.Errorf("unknown option %q", key)
}

func with[T any](text []byte, use func(T)) error {
	if string(text) == "null" {
		return fmt.Errorf("an option's value is null")
	}
	var value T
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	use(value)
	return nil
}

// settings are the library's options among opts. The slice has no spare capacity,
// as the library appends to a task's options, and callers share tasks.
func settings(opts []option) []asynq.Option {
	var set []asynq.Option
	for _, o := range opts {
		if o.set != nil {
			set = append(set, o.set)
		}
	}
	return slices.Clip(set)
}

// taskForm is a TASK.
type taskForm struct {
	Type    string            `json:"type"`
	Payload data              `json:"payload"`
	Headers map[string]string `json:"headers"`
	Opts    []option          `json:"opts"`
}

// task builds the task, with the headers among opts, the options of the call.
func (t *taskForm) task(opts []option) *asynq.Task {
	return t.taskWith(t.Payload, opts)
}

func (t *taskForm) taskWith(payload []byte, opts []option) *asynq.Task {
	headers := maps.Clone(t.Headers)
	for _, o := range slices.Concat(t.Opts, opts) {
		if o.header == nil {
			continue
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[o.header[0]] = o.header[1]
	}
	if headers == nil {
		return asynq.NewTask(t.Type, payload, settings(t.Opts)...)
	}
	return asynq.NewTaskWithHeaders(t.Type, payload, headers, settings(t.Opts)...)
}

// infoForm is INFO.
type infoForm struct {
	ID            string            `json:"id"`
	Queue         string            `json:"queue"`
	Type          string            `json:"type"`
	Payload       data              `json:"payload"`
	Headers       map[string]string `json:"headers"`
	State         string            `json:"state"`
	MaxRetry      int               `json:"max_retry"`
	Retried       int               `json:"retried"`
	LastErr       string            `json:"last_err"`
	LastFailedAt  unixTime          `json:"last_failed_at"`
	Timeout       duration          `json:"timeout"`
	Deadline      unixTime          `json:"deadline"`
	Group         string            `json:"group"`
	NextProcessAt unixTime          `json:"next_process_at"`
	Orphaned      bool              `json:"orphaned"`
	Retention     duration          `json:"retention"`
	CompletedAt   unixTime          `json:"completed_at"`
	Result        data              `json:"result"`
}

func info(t *asynq.TaskInfo) infoForm {
	return infoForm{
		ID:            t.ID,
		Queue:         t.Queue,
		Type:          t.Type,
		Payload:       t.Payload,
		Headers:       t.Headers,
		State:         t.State.String(),
		MaxRetry:      t.MaxRetry,
		Retried:       t.Retried,
		LastErr:       t.LastErr,
		LastFailedAt:  unixTime(t.LastFailedAt),
		Timeout:       duration(t.Timeout),
		Deadline:      unixTime(t.Deadline),
		Group:         t.Group,
		NextProcessAt: unixTime(t.NextProcessAt),
		Orphaned:      t.IsOrphaned,
		Retention:     duration(t.Retention),
		CompletedAt:   unixTime(t.CompletedAt),
		Result:        t.Result,
	}
}
