// Package keyspace reads what lies in a Redis database, decoded: the form in which the
// compatibility suite compares databases.
package keyspace

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"rasynq/compat/internal/asynqpb"
)

// dumpScript reads the keys in one script, so that a dump never shows half of a
// change.
const dumpScript = `
local out = {}
for _, pattern in ipairs(ARGV) do
	for _, key in ipairs(redis.call("KEYS", pattern)) do
		local kind = redis.call("TYPE", key).ok
		local value
		if kind == "string" then value = redis.call("GET", key)
		elseif kind == "list" then value = redis.call("LRANGE", key, 0, -1)
		elseif kind == "set" then value = redis.call("SMEMBERS", key)
		elseif kind == "zset" then value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
		elseif kind == "hash" then value = redis.call("HGETALL", key)
		else value = "" end
		out[#out + 1] = {key, kind, redis.call("PTTL", key), value}
	end
end
return out`

var (
	taskKey     = regexp.MustCompile(`^asynq:\{.*\}:t:`)
	serverKey   = regexp.MustCompile(`^asynq:servers:\{`)
	workersKey  = regexp.MustCompile(`^asynq:workers:\{`)
	entriesKey  = regexp.MustCompile(`^asynq:schedulers:\{`)
	historyKey  = regexp.MustCompile(`^asynq:scheduler_history:`)
	plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
)

// Dump reads the decoded keys that fit one of Redis' patterns. Each key has one member
// named after its type, and `ttl` in seconds if it expires.
func Dump(ctx context.Context, client *redis.Client, patterns ...any) (map[string]any, error) {
	v, err := client.Eval(ctx, dumpScript, nil, patterns...).Result()
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	rows, _ := v.([]any)
	out := make(map[string]any, len(rows))
	for _, row := range rows {
		f, ok := row.([]any)
		if !ok || len(f) != 4 {
			return nil, fmt.Errorf("dump: unexpected row %v", row)
		}
		key, kind, ttl := fmt.Sprint(f[0]), fmt.Sprint(f[1]), f[2].(int64)
		e := map[string]any{kind: dumpValue(key, kind, f[3])}
		if ttl >= 0 {
			e["ttl"] = math.Round(float64(ttl)/10) / 100
		}
		out[key] = e
	}
	return out, nil
}

// DropOwn removes the keys that only rasynq has. They must expire: a key that stays is compared.
func DropOwn(dump map[string]any) {
	for key, value := range dump {
		entry, _ := value.(map[string]any)
		if _, expires := entry["ttl"]; expires && strings.HasPrefix(key, "rasynq:") {
			delete(dump, key)
		}
	}
}

// dumpValue decodes the value of a key of that type.
func dumpValue(key, kind string, v any) any {
	list, _ := v.([]any)
	switch kind {
	case "string":
		if serverKey.MatchString(key) {
			return Decoded(asynqpb.ServerInfo, fmt.Sprint(v))
		}
		return Text(fmt.Sprint(v))
	case "list":
		return dumpList(key, list)
	case "set":
		return dumpSet(list)
	case "zset":
		return dumpSortedSet(key, list)
	case "hash":
		return dumpHash(key, list)
	}
	return fmt.Sprint(v)
}

func dumpList(key string, list []any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		if entriesKey.MatchString(key) {
			out[i] = Decoded(asynqpb.SchedulerEntry, fmt.Sprint(e))
		} else {
			out[i] = Text(fmt.Sprint(e))
		}
	}
	return out
}

func dumpSet(list []any) []any {
	members := make([]string, len(list))
	for i, e := range list {
		members[i] = fmt.Sprint(e)
	}
	sort.Strings(members)
	out := make([]any, len(members))
	for i, s := range members {
		out[i] = Text(s)
	}
	return out
}

// dumpSortedSet reads members and scores in turn.
func dumpSortedSet(key string, list []any) any {
	if historyKey.MatchString(key) {
		var out []any
		for i := 0; i+1 < len(list); i += 2 {
			out = append(out, map[string]any{
				"event": Decoded(asynqpb.SchedulerEnqueueEvent, fmt.Sprint(list[i])),
				"score": score(list[i+1]),
			})
		}
		return out
	}
	out := map[string]any{}
	for i := 0; i+1 < len(list); i += 2 {
		out[fmt.Sprint(list[i])] = score(list[i+1])
	}
	return out
}

// dumpHash reads fields and values in turn.
func dumpHash(key string, list []any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(list); i += 2 {
		name, value := fmt.Sprint(list[i]), fmt.Sprint(list[i+1])
		switch {
		case taskKey.MatchString(key) && name == "msg":
			out[name] = Decoded(asynqpb.TaskMessage, value)
		case workersKey.MatchString(key):
			out[name] = Decoded(asynqpb.WorkerInfo, value)
		default:
			out[name] = Text(value)
		}
	}
	return out
}

// score turns a score into a number, or into text if it has an exponent.
func score(v any) any {
	s := fmt.Sprint(v)
	if !plainNumber.MatchString(s) {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return f
}

// Decoded decodes one message. Bytes that do not decode are shown in base64,
// with the error.
func Decoded(message, raw string) any {
	m, err := asynqpb.Decode(message, []byte(raw))
	if err != nil {
		return map[string]any{
			"undecodable": base64.StdEncoding.EncodeToString([]byte(raw)),
			"error":       err.Error(),
		}
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = jsonValue(v)
	}
	return out
}

// jsonValue turns a decoded field into the form that scenarios compare with.
func jsonValue(v any) any {
	switch x := v.(type) {
	case []byte:
		if utf8.Valid(x) {
			return map[string]any{"utf8": string(x)}
		}
		return map[string]any{"b64": base64.StdEncoding.EncodeToString(x)}
	case int64:
		return float64(x)
	case []string:
		out := make([]any, len(x))
		for i, s := range x {
			out[i] = s
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(x))
		for k, s := range x {
			out[k] = s
		}
		return out
	case map[string]int64:
		out := make(map[string]any, len(x))
		for k, n := range x {
			out[k] = float64(n)
		}
		return out
	case asynqpb.Timestamp:
		return map[string]any{"seconds": float64(x.Seconds), "nanos": float64(x.Nanos)}
	}
	return v
}

// Text is the text itself, or `{"b64": …}` if it is not UTF-8.
func Text(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	return map[string]any{"b64": base64.StdEncoding.EncodeToString([]byte(s))}
}
