package asynqpb

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func text(num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), s)
}

func number(num protowire.Number, n int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(n))
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestEmptyMessageHasEveryField(t *testing.T) {
	for _, name := range Messages() {
		got, err := Decode(name, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != len(messages[name]) {
			t.Errorf("%s: %d fields, want %d", name, len(got), len(messages[name]))
		}
	}
	got, _ := Decode(TaskMessage, nil)
	want := map[string]any{
		"type": "", "payload": []byte{}, "id": "", "queue": "", "retry": int64(0), "retried": int64(0),
		"error_msg": "", "timeout": int64(0), "deadline": int64(0), "unique_key": "", "last_failed_at": int64(0),
		"retention": int64(0), "completed_at": int64(0), "group_key": "", "headers": map[string]string{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestValues(t *testing.T) {
	got, err := Decode(TaskMessage, join(
		text(1, "mail:send"), text(2, "\xff\x00"), number(5, -1), number(9, 1<<40),
		text(15, string(join(text(1, "k"), text(2, "v")))), text(15, string(text(1, "only key"))),
	))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"type": "mail:send", "payload": []byte{0xff, 0}, "retry": int64(-1), "deadline": int64(1 << 40),
		"headers": map[string]string{"k": "v", "only key": ""},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}

	got, err = Decode(ServerInfo, join(
		text(5, string(join(text(1, "q"), number(2, 3)))), number(6, 1),
		text(8, string(join(number(1, -62135596800), number(2, 7)))),
	))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"queues": map[string]int64{"q": 3}, "strict_priority": true,
		"start_time": Timestamp{Seconds: -62135596800, Nanos: 7},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}

	got, err = Decode(SchedulerEntry, join(text(5, `Queue("a")`), text(5, "MaxRetry(1)"), text(6, "")))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{`Queue("a")`, "MaxRetry(1)"}; !reflect.DeepEqual(got["enqueue_options"], want) {
		t.Errorf("enqueue_options: got %v, want %v", got["enqueue_options"], want)
	}
	if got["next_enqueue_time"] != (Timestamp{}) || got["prev_enqueue_time"] != nil {
		t.Errorf("an empty and an absent time: got %v and %v", got["next_enqueue_time"], got["prev_enqueue_time"])
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		raw     []byte
		want    string
	}{
		"unknown message":     {"Nothing", nil, "no message"},
		"unknown field":       {TaskMessage, number(16, 1), "unknown field 16"},
		"number for text":     {TaskMessage, number(1, 1), "field 1 (type)"},
		"text for number":     {TaskMessage, text(5, "1"), "field 5 (retry)"},
		"fixed64":             {TaskMessage, protowire.AppendFixed64(protowire.AppendTag(nil, 8, protowire.Fixed64Type), 1), "wire type 1"},
		"int32 overflow":      {TaskMessage, number(6, 1<<31), "does not fit"},
		"invalid utf8":        {TaskMessage, text(3, "\xff"), "not UTF-8"},
		"cut short":           {TaskMessage, []byte{10, 200}, "field 1"},
		"map entry field":     {TaskMessage, text(15, string(number(3, 1))), "map entry"},
		"map value type":      {TaskMessage, text(15, string(number(2, 1))), "value"},
		"timestamp field":     {WorkerInfo, text(8, string(number(3, 1))), "timestamp"},
		"timestamp nanos":     {WorkerInfo, text(8, string(number(2, 1_000_000_000))), "nanos out of range"},
		"int32 map overflow":  {ServerInfo, text(5, string(number(2, 1<<40))), "does not fit"},
		"tag of field zero":   {TaskMessage, []byte{0, 1}, "tag at byte 0"},
		"group wire type":     {TaskMessage, []byte{0x0b}, "wire type 3"},
		"varint without end":  {TaskMessage, []byte{0x28, 0xff}, "field 5"},
		"string in queue map": {ServerInfo, text(5, string(text(2, "x"))), "value"},
	} {
		_, err := Decode(c.message, c.raw)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

// What asynq itself wrote is decoded in full.
func TestFixtures(t *testing.T) {
	text, err := os.ReadFile("../../fixtures/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixtures []struct {
		Name, Message string
		B64           []byte
		Expect        any
	}
	if err := json.Unmarshal(text, &fixtures); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range fixtures {
		seen[f.Message] = true
		fields, err := Decode(f.Message, f.B64)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		form, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(form, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, f.Expect) {
			t.Errorf("%s: got %v\nwant %v", f.Name, got, f.Expect)
		}
	}
	for _, name := range Messages() {
		if !seen[name] {
			t.Errorf("no fixture of %s", name)
		}
	}
}

func TestEncodeGivesWhatDecodeReads(t *testing.T) {
	for name, want := range map[string]map[string]any{
		TaskMessage:    {"type": "t", "payload": []byte{0xff, 0}, "retry": int64(-1), "deadline": int64(1 << 40), "headers": map[string]string{"b": "2", "a": ""}},
		ServerInfo:     {"host": "h", "strict_priority": true, "queues": map[string]int64{"q": 3, "none": 0}, "start_time": Timestamp{Seconds: -62135596800}},
		SchedulerEntry: {"enqueue_options": []string{"Queue(\"q\")", ""}, "prev_enqueue_time": Timestamp{}, "next_enqueue_time": Timestamp{Seconds: 1, Nanos: 2}},
	} {
		raw, err := Encode(name, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(name, raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for field, value := range want {
			if !reflect.DeepEqual(got[field], value) {
				t.Errorf("%s: %s is %v, want %v", name, field, got[field], value)
			}
		}
	}
	for _, bad := range []map[string]any{{"nothing": "x"}, {"type": int64(1)}, {"retry": 1}} {
		if _, err := Encode(TaskMessage, bad); err == nil {
			t.Errorf("%v was encoded", bad)
		}
	}
}
