// Package asynqpb decodes the protobuf messages that asynq keeps in Redis. It
// uses a table of fields instead of generated code, so that it shares no code with
// the implementations it judges.
//
// It is strict: unknown fields, wrong wire types, numbers out of range and text
// that is not UTF-8 are errors.
package asynqpb

import (
	"fmt"
	"math"
	"sort"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Names of the messages.
const (
	TaskMessage           = "TaskMessage"
	ServerInfo            = "ServerInfo"
	WorkerInfo            = "WorkerInfo"
	SchedulerEntry        = "SchedulerEntry"
	SchedulerEnqueueEvent = "SchedulerEnqueueEvent"
)

// Timestamp is google.protobuf.Timestamp.
type Timestamp struct {
	Seconds int64 `json:"seconds"`
	Nanos   int32 `json:"nanos"`
}

type kind int

const (
	kindString    kind = iota // string
	kindBytes                 // []byte, never nil
	kindInt32                 // int64
	kindInt64                 // int64
	kindBool                  // bool
	kindStrings               // []string, never nil
	kindStringMap             // map[string]string, never nil
	kindInt32Map              // map[string]int64, never nil
	kindTime                  // Timestamp, or nil when absent
)

type field struct {
	name string
	kind kind
}

var messages = map[string]map[protowire.Number]field{
	TaskMessage: {
		1:  {"type", kindString},
		2:  {"payload", kindBytes},
		3:  {"id", kindString},
		4:  {"queue", kindString},
		5:  {"retry", kindInt32},
		6:  {"retried", kindInt32},
		7:  {"error_msg", kindString},
		8:  {"timeout", kindInt64},
		9:  {"deadline", kindInt64},
		10: {"unique_key", kindString},
		11: {"last_failed_at", kindInt64},
		12: {"retention", kindInt64},
		13: {"completed_at", kindInt64},
		14: {"group_key", kindString},
		15: {"headers", kindStringMap},
	},
	ServerInfo: {
		1: {"host", kindString},
		2: {"pid", kindInt32},
		3: {"server_id", kindString},
		4: {"concurrency", kindInt32},
		5: {"queues", kindInt32Map},
		6: {"strict_priority", kindBool},
		7: {"status", kindString},
		8: {"start_time", kindTime},
		9: {"active_worker_count", kindInt32},
	},
	WorkerInfo: {
		1: {"host", kindString},
		2: {"pid", kindInt32},
		3: {"server_id", kindString},
		4: {"task_id", kindString},
		5: {"task_type", kindString},
		6: {"task_payload", kindBytes},
		7: {"queue", kindString},
		8: {"start_time", kindTime},
		9: {"deadline", kindTime},
	},
	SchedulerEntry: {
		1: {"id", kindString},
		2: {"spec", kindString},
		3: {"task_type", kindString},
		4: {"task_payload", kindBytes},
		5: {"enqueue_options", kindStrings},
		6: {"next_enqueue_time", kindTime},
		7: {"prev_enqueue_time", kindTime},
	},
	SchedulerEnqueueEvent: {
		1: {"task_id", kindString},
		2: {"enqueue_time", kindTime},
	},
}

// Messages lists the names that Decode knows, sorted.
func Messages() []string {
	var names []string
	for name := range messages {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Decode decodes one message. The result has every field of the message; an
// absent field has proto3's zero value. Values are string, []byte, int64,
// bool, []string, map[string]string, map[string]int64 and Timestamp; an absent
// Timestamp is nil.
func Decode(message string, raw []byte) (map[string]any, error) {
	table, ok := messages[message]
	if !ok {
		return nil, fmt.Errorf("asynqpb: no message %q", message)
	}
	out := make(map[string]any, len(table))
	for _, f := range table {
		out[f.name] = zero(f.kind)
	}
	err := eachField(raw, func(num protowire.Number, w wireValue) error {
		f, ok := table[num]
		if !ok {
			return fmt.Errorf("unknown field %d", num)
		}
		v, err := merge(out[f.name], f.kind, w)
		if err != nil {
			return fmt.Errorf("field %d (%s): %w", num, f.name, err)
		}
		out[f.name] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("asynqpb: %s: %w", message, err)
	}
	return out, nil
}

func zero(k kind) any {
	switch k {
	case kindString:
		return ""
	case kindBytes:
		return []byte{}
	case kindInt32, kindInt64:
		return int64(0)
	case kindBool:
		return false
	case kindStrings:
		return []string{}
	case kindStringMap:
		return map[string]string{}
	case kindInt32Map:
		return map[string]int64{}
	default:
		return nil
	}
}

// wireValue is the value of a field on the wire: number for a varint, bytes for a
// length-delimited value.
type wireValue struct {
	typ    protowire.Type
	number uint64
	bytes  []byte
}

func eachField(raw []byte, visit func(protowire.Number, wireValue) error) error {
	for at := 0; at < len(raw); {
		num, typ, n := protowire.ConsumeTag(raw[at:])
		if n < 0 {
			return fmt.Errorf("tag at byte %d: %w", at, protowire.ParseError(n))
		}
		at += n
		w := wireValue{typ: typ}
		switch typ {
		case protowire.VarintType:
			w.number, n = protowire.ConsumeVarint(raw[at:])
		case protowire.BytesType:
			w.bytes, n = protowire.ConsumeBytes(raw[at:])
		default:
			return fmt.Errorf("field %d: no field has the wire type %d", num, typ)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(n))
		}
		at += n
		if err := visit(num, w); err != nil {
			return err
		}
	}
	return nil
}

// merge is the value of a field that had the value old before w was read.
func merge(old any, k kind, w wireValue) (any, error) {
	switch k {
	case kindString:
		return w.text()
	case kindBytes:
		b, err := w.data()
		return append([]byte{}, b...), err
	case kindInt32:
		return w.int32()
	case kindInt64:
		n, err := w.varint()
		return int64(n), err
	case kindBool:
		n, err := w.varint()
		return n != 0, err
	case kindStrings:
		s, err := w.text()
		return append(old.([]string), s), err
	case kindStringMap:
		key, value, err := w.entry()
		if err != nil {
			return nil, err
		}
		s := ""
		if value != nil {
			if s, err = value.text(); err != nil {
				return nil, fmt.Errorf("value: %w", err)
			}
		}
		old.(map[string]string)[key] = s
		return old, nil
	case kindInt32Map:
		key, value, err := w.entry()
		if err != nil {
			return nil, err
		}
		n := int64(0)
		if value != nil {
			if n, err = value.int32(); err != nil {
				return nil, fmt.Errorf("value: %w", err)
			}
		}
		old.(map[string]int64)[key] = n
		return old, nil
	case kindTime:
		return w.time()
	}
	return nil, fmt.Errorf("no such kind: %d", k)
}

func (w wireValue) varint() (uint64, error) {
	if w.typ != protowire.VarintType {
		return 0, fmt.Errorf("wire type %d instead of a varint", w.typ)
	}
	return w.number, nil
}

func (w wireValue) int32() (int64, error) {
	n, err := w.varint()
	if err != nil {
		return 0, err
	}
	if i := int64(n); i < math.MinInt32 || i > math.MaxInt32 {
		return 0, fmt.Errorf("%d does not fit an int32", i)
	}
	return int64(n), nil
}

func (w wireValue) data() ([]byte, error) {
	if w.typ != protowire.BytesType {
		return nil, fmt.Errorf("wire type %d instead of a length-delimited one", w.typ)
	}
	return w.bytes, nil
}

func (w wireValue) text() (string, error) {
	b, err := w.data()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%q is not UTF-8", b)
	}
	return string(b), nil
}

// entry reads an entry of a map: its key, and its value if present.
func (w wireValue) entry() (key string, value *wireValue, err error) {
	b, err := w.data()
	if err != nil {
		return "", nil, err
	}
	err = eachField(b, func(num protowire.Number, v wireValue) error {
		switch num {
		case 1:
			key, err = v.text()
			return err
		case 2:
			value = &v
			return nil
		}
		return fmt.Errorf("unknown field %d in a map entry", num)
	})
	return key, value, err
}

func (w wireValue) time() (any, error) {
	b, err := w.data()
	if err != nil {
		return nil, err
	}
	var t Timestamp
	err = eachField(b, func(num protowire.Number, v wireValue) error {
		switch num {
		case 1:
			n, err := v.varint()
			t.Seconds = int64(n)
			return err
		case 2:
			n, err := v.int32()
			t.Nanos = int32(n)
			return err
		}
		return fmt.Errorf("unknown field %d in a timestamp", num)
	})
	if err != nil {
		return nil, err
	}
	if t.Nanos < 0 || t.Nanos > 999_999_999 {
		return nil, fmt.Errorf("nanos out of range: %d", t.Nanos)
	}
	return t, nil
}
