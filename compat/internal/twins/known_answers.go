package twins

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"rasynq/compat/internal/scenario"
)

// A knownAnswer is a difference in what a call answers. mend makes asynq's answer that
// of rasynq; it reports whether it had anything to do.
type knownAnswer struct {
	name string
	row  string // of docs/asynq-defects.md; empty: rasynq tells more
	mend func(c *comparison, call args, dump map[string]any, one, other *answer) bool
}

var knownInAnswers = []knownAnswer{
	{"task_info tells that a task is orphaned", "", (*comparison).orphaned},
	{"ids that stay where they are do not count", "20", (*comparison).misplacedCount},
	{"an id without its task does not break the queue info", "20", (*comparison).infoOfGhosts},
	{"an id without its task is not listed", "20", (*comparison).listOfGhosts},
	{"a blank queue name is refused by every call", "", (*comparison).blankQueue},
	{"a group without tasks is not listed", "", (*comparison).emptyGroups},
	{"a task that is not where its state says is in a wrong state", "20", (*comparison).misplacedTask},
	{"a lock that another task holds is not taken with a new payload", "11", (*comparison).takenLock},
	{"a task is found although its queue is not listed", "12", (*comparison).unlistedTask},
	{"a queue that is not listed is not deleted while it has tasks", "12", (*comparison).unlistedQueue},
}

// expectAnswers applies the known differences to the answers.
func (c *comparison) expectAnswers(call args, dump map[string]any, one, other answer) (answer, answer) {
	for _, known := range knownInAnswers {
		if known.mend(c, call, dump, &one, &other) {
			c.met[known.name]++
		}
	}
	return one, other
}

func (c *comparison) orphaned(call args, dump map[string]any, one, _ *answer) bool {
	info, ok := one.value.(map[string]any)
	if !ok || call["call"] != "task_info" || info["state"] != "active" {
		return false
	}
	queue, id := call["queue"].(string), call["task"].(string)
	entry, _ := dump[prefix(queue)+"lease"].(map[string]any)
	leases, _ := entry["zset"].(map[string]any)
	now, err := c.now()
	if lease, ok := leases[id].(float64); !ok || err != nil || lease > now {
		return false
	}
	info["orphaned"] = true
	return true
}

// misplacedCount subtracts the ids that only asynq moves.
func (c *comparison) misplacedCount(call args, dump map[string]any, one, _ *answer) bool {
	state, _ := call["state"].(string)
	count, ok := one.value.(float64)
	if !ok {
		return false
	}
	queue := call["queue"].(string)
	ch := &change{call: call, queue: queue, before: dump}
	place := prefix(queue) + state
	if state == "aggregating" {
		place = prefix(queue) + "g:" + call["group"].(string)
	}
	n := len(ch.contradicted(place, state))
	one.value = count - float64(n)
	return n > 0
}

// infoOfGhosts expects an answer where asynq has none: MEMORY USAGE of the missing task
// is no number. The sizes are compared with those of the lists and sets.
func (c *comparison) infoOfGhosts(call args, dump map[string]any, one, other *answer) bool {
	if call["call"] != "queue_info" || one.err == nil || one.err.Kind != "redis" || !strings.Contains(one.err.Msg, "arithmetic") || other.err != nil {
		return false
	}
	got, ok := other.value.(map[string]any)
	if !ok {
		return false
	}
	want := maps.Clone(got)
	ch := &change{queue: call["queue"].(string), before: dump}
	total := 0
	for _, state := range allStates {
		size := 0
		for _, place := range ch.places(dump, state) {
			if state != "aggregating" || !uuidAtEnd.MatchString(place) { // an aggregation set is no group
				size += len(idsIn(dump, place))
			}
		}
		if state != "finished" {
			want[state] = float64(size)
			total += size
		}
	}
	want["size"] = float64(total)
	*one = answer{value: want}
	return true
}

var uuidAtEnd = regexp.MustCompile(`:[0-9a-f]{8}-[0-9a-f-]{27}$`)

// listOfGhosts removes what asynq lists of an id without a task: nothing but the state.
func (c *comparison) listOfGhosts(call args, _ map[string]any, one, _ *answer) bool {
	list, ok := one.value.([]any)
	if !ok || call["call"] != "list" {
		return false
	}
	tasks := slices.DeleteFunc(slices.Clone(list), func(e any) bool { return e.(map[string]any)["id"] == "" })
	one.value = tasks
	return len(tasks) < len(list)
}

func (c *comparison) blankQueue(call args, _ map[string]any, one, _ *answer) bool {
	queue, ok := call["queue"].(string)
	if !ok || strings.TrimSpace(queue) != "" || one.err != nil && (one.err.Kind == "invalid" || one.err.Kind == "unsupported") {
		return false
	}
	*one = answer{err: &Refusal{Kind: "invalid", Msg: "blank"}}
	return true
}

func (c *comparison) emptyGroups(call args, _ map[string]any, one, _ *answer) bool {
	list, ok := one.value.([]any)
	if !ok || call["call"] != "groups" {
		return false
	}
	groups := slices.DeleteFunc(slices.Clone(list), func(e any) bool { return isZero(e.(map[string]any)["size"]) })
	one.value = groups
	return len(groups) < len(list)
}

func (c *comparison) unlistedTask(call args, dump map[string]any, one, other *answer) bool {
	id, _ := call["task"].(string)
	if call["call"] != "task_info" || call["queue"] != unlisted || other.err != nil {
		return false
	}
	hash := hashOf(dump, prefix(unlisted)+"t:"+id)
	if hash == nil {
		return false
	}
	// what was stored, in the form of the answer
	message := hash["msg"].(map[string]any)
	got, _ := other.value.(map[string]any)
	want := maps.Clone(got)
	want["id"], want["type"], want["state"], want["last_err"] = message["id"], message["type"], hash["state"], message["error_msg"]
	*one = answer{value: want}
	return true
}

// unlistedQueue expects that the tasks of the queue count. Some of them are active.
func (c *comparison) unlistedQueue(call args, _ map[string]any, one, other *answer) bool {
	if call["call"] != "delete_queue" || call["queue"] != unlisted || one.err == nil || other.err == nil {
		return false
	}
	kind := "queue_not_empty"
	if call["force"] == true {
		kind = "wrong_state"
	}
	if one.err.Kind != "queue_not_found" || other.err.Kind != kind {
		return false
	}
	*one = *other
	return true
}

// misplacedTask expects a kind of error of which asynq has none: its script fails.
func (c *comparison) misplacedTask(call args, _ map[string]any, one, _ *answer) bool {
	if _, ok := call["task"]; !ok || one.err == nil || one.err.Kind != "redis" {
		return false
	}
	if !strings.Contains(one.err.Msg, "not found in") && !strings.Contains(one.err.Msg, "concatenate local 'group'") {
		return false
	}
	*one = answer{err: &Refusal{Kind: "wrong_state", Msg: one.err.Msg}}
	return true
}

// takenLock expects a refusal: another task holds the lock of the new payload.
func (c *comparison) takenLock(call args, dump map[string]any, one, _ *answer) bool {
	if call["call"] != "update_task_payload" || one.err != nil {
		return false
	}
	queue, id := call["queue"].(string), fmt.Sprint(call["task"])
	hash, message := hashOf(dump, prefix(queue)+"t:"+id), messageOf(dump, queue, id)
	payload, _ := scenario.BytesOf(call["payload"])
	key := lockKey(queue, message["type"], payload)
	taken, _ := dump[key].(map[string]any)
	if lock := held(dump, hash, id); lock == "" || lock == key || taken == nil || taken["string"] == id {
		return false
	}
	*one = answer{err: &Refusal{Kind: "duplicate", Msg: fmt.Sprintf("%v holds the lock", taken["string"])}}
	return true
}
