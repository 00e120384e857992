package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"unicode/utf8"

	"rasynq/compat/internal/asynqpb"
	"rasynq/compat/internal/scenario"
)

// dumpScript reads the whole keyspace in one script, so that a dump never shows
// half of a change.
const dumpScript = `
local out = {}
for _, key in ipairs(redis.call("KEYS", ARGV[1])) do
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
return out`

var (
	taskKey     = regexp.MustCompile(`^asynq:\{.*\}:t:`)
	serverKey   = regexp.MustCompile(`^asynq:servers:\{`)
	workersKey  = regexp.MustCompile(`^asynq:workers:\{`)
	entriesKey  = regexp.MustCompile(`^asynq:schedulers:\{`)
	historyKey  = regexp.MustCompile(`^asynq:scheduler_history:`)
	plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
)

// dump reads the decoded keyspace. Each key has one member named after its
// type, and `ttl` in seconds if it expires.
func (r *redisServer) dump(ctx context.Context) (map[string]any, error) {
	v, err := r.client.Eval(ctx, dumpScript, nil, "*").Result()
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

// dumpValue decodes the value of a key of that type.
func dumpValue(key, kind string, v any) any {
	list, _ := v.([]any)
	switch kind {
	case "string":
		if serverKey.MatchString(key) {
			return decoded(asynqpb.ServerInfo, fmt.Sprint(v))
		}
		return textValue(fmt.Sprint(v))
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
			out[i] = decoded(asynqpb.SchedulerEntry, fmt.Sprint(e))
		} else {
			out[i] = textValue(fmt.Sprint(e))
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
		out[i] = textValue(s)
	}
	return out
}

// dumpSortedSet reads members and scores in turn.
func dumpSortedSet(key string, list []any) any {
	if historyKey.MatchString(key) {
		var out []any
		for i := 0; i+1 < len(list); i += 2 {
			out = append(out, map[string]any{
				"event": decoded(asynqpb.SchedulerEnqueueEvent, fmt.Sprint(list[i])),
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
			out[name] = decoded(asynqpb.TaskMessage, value)
		case workersKey.MatchString(key):
			out[name] = decoded(asynqpb.WorkerInfo, value)
		default:
			out[name] = textValue(value)
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

// decoded decodes one message. Bytes that do not decode are shown in base64,
// with the error.
func decoded(message, raw string) any {
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

// keyspace matches a dump with what a step expects of its keys. A name with `*`
// stands for the one key that fits it. With only, there may be no other keys.
func keyspace(want map[string]any, got map[string]any, only bool) []scenario.Mismatch {
	var out []scenario.Mismatch
	named := map[string]bool{}
	m := scenario.Matcher{}
	for pattern, w := range want {
		var hits []string
		for key := range got {
			if key == pattern || scenario.Glob(pattern, key) {
				hits = append(hits, key)
				named[key] = true
			}
		}
		sort.Strings(hits)
		var value any = scenario.Absent{}
		switch {
		case len(hits) == 1:
			value = got[hits[0]]
		case len(hits) > 1:
			out = append(out, scenario.Mismatch{Path: pattern, Want: "one key", Got: hits})
			continue
		}
		for _, bad := range m.Match(w, value) {
			bad.Path = pattern + bad.Path
			out = append(out, bad)
		}
	}
	if only {
		for key, v := range got {
			if !named[key] {
				out = append(out, scenario.Mismatch{Path: key, Want: scenario.Absent{}, Got: v})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}
