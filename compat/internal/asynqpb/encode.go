package asynqpb

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encode encodes one message. The values have the types that Decode gives them; an
// absent field, and one with proto3's zero value, is left out. The entries of a map
// are in the order of their keys.
func Encode(message string, values map[string]any) ([]byte, error) {
	table, ok := messages[message]
	if !ok {
		return nil, fmt.Errorf("asynqpb: no message %q", message)
	}
	numbers := make(map[string]protowire.Number, len(table))
	var order []protowire.Number
	for number, f := range table {
		numbers[f.name] = number
		if _, ok := values[f.name]; ok {
			order = append(order, number)
		}
	}
	for name := range values {
		if _, ok := numbers[name]; !ok {
			return nil, fmt.Errorf("asynqpb: %s has no field %q", message, name)
		}
	}
	slices.Sort(order)
	var raw []byte
	for _, number := range order {
		f := table[number]
		var err error
		if raw, err = appendField(raw, number, f.kind, values[f.name]); err != nil {
			return nil, fmt.Errorf("asynqpb: %s: %s: %w", message, f.name, err)
		}
	}
	return raw, nil
}

func appendField(raw []byte, number protowire.Number, k kind, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return raw, nil
	case string:
		if k == kindString {
			return appendBytes(raw, number, []byte(v)), nil
		}
	case []byte:
		if k == kindBytes {
			return appendBytes(raw, number, v), nil
		}
	case int64:
		if k == kindInt32 || k == kindInt64 {
			return appendNumber(raw, number, v), nil
		}
	case bool:
		if k == kindBool && v {
			return appendNumber(raw, number, 1), nil
		}
		return raw, nil
	case []string:
		for _, s := range v { // an empty text of a list is not left out
			raw = protowire.AppendTag(raw, number, protowire.BytesType)
			raw = protowire.AppendString(raw, s)
		}
		return raw, nil
	case map[string]string:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			entry := appendBytes(nil, 1, []byte(key))
			raw = appendMessage(raw, number, appendBytes(entry, 2, []byte(v[key])))
		}
		return raw, nil
	case map[string]int64:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			entry := appendBytes(nil, 1, []byte(key))
			raw = appendMessage(raw, number, appendNumber(entry, 2, v[key]))
		}
		return raw, nil
	case Timestamp:
		if k == kindTime {
			time := appendNumber(nil, 1, v.Seconds)
			return appendMessage(raw, number, appendNumber(time, 2, int64(v.Nanos))), nil
		}
	}
	return nil, fmt.Errorf("a %T does not fit", value)
}

func appendBytes(raw []byte, number protowire.Number, value []byte) []byte {
	if len(value) == 0 {
		return raw
	}
	return appendMessage(raw, number, value)
}

func appendMessage(raw []byte, number protowire.Number, value []byte) []byte {
	raw = protowire.AppendTag(raw, number, protowire.BytesType)
	return protowire.AppendBytes(raw, value)
}

func appendNumber(raw []byte, number protowire.Number, value int64) []byte {
	if value == 0 {
		return raw
	}
	raw = protowire.AppendTag(raw, number, protowire.VarintType)
	return protowire.AppendVarint(raw, uint64(value))
}
