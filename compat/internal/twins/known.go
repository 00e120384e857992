package twins

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"rasynq/compat/internal/scenario"
)

// A knownKeys is a difference in what a change leaves. mend makes the keys that asynq
// has left those that rasynq leaves; it reports whether it had anything to do.
type knownKeys struct {
	name string
	row  string // of docs/asynq-defects.md; empty: a better result that is no row of its own
	rare bool   // some seeds do not meet it
	mend func(ch *change, left map[string]any) bool
}

var knownInKeys = []knownKeys{
	{"an id whose task is missing or in another state stays where it is", "20", false, (*change).misplaced},
	{"a task that is run has the time since which it is pending", "7", false, (*change).pendingSince},
	{"a task that is archived is no longer pending since a time", "", false, (*change).notPending},
	{"a task that leaves its group is no longer of that group", "", false, (*change).noGroup},
	{"an archive is trimmed only by its size", "", false, (*change).untrimmed},
	{"the locks of deleted tasks are released", "6", false, (*change).locks},
	{"the lock moves with the payload", "11", false, (*change).moveLock},
	{"a deleted queue leaves nothing", "6", false, (*change).wholeQueue},
}

// expectKeys applies the known differences to what asynq has left.
func (c *comparison) expectKeys(ch *change, left map[string]any) {
	for _, known := range knownInKeys {
		if known.mend(ch, left) {
			c.met[known.name]++
		}
	}
}

// unmet names the known differences that were not met, which are differences no more.
func (c *comparison) unmet() error {
	if !c.differing() {
		return nil
	}
	var names []string
	for _, known := range knownInKeys {
		if c.met[known.name] == 0 && !known.rare {
			names = append(names, known.name)
		}
	}
	for _, known := range knownInAnswers {
		if c.met[known.name] == 0 {
			names = append(names, known.name)
		}
	}
	if names != nil {
		return fmt.Errorf("known differences that were not met: %s", strings.Join(names, "; "))
	}
	return nil
}

// eachTask visits the tasks of the change's queue.
func (ch *change) eachTask(dump map[string]any, visit func(key, id string, hash map[string]any)) {
	p := prefix(ch.queue) + "t:"
	for _, key := range sorted(dump) {
		if id, ok := strings.CutPrefix(key, p); ok {
			if hash := hashOf(dump, key); hash != nil {
				visit(key, id, hash)
			}
		}
	}
}

// places are the lists and sorted sets of the tasks in one state, of every group.
func (ch *change) places(dump map[string]any, state string) []string {
	if state != "aggregating" {
		return []string{prefix(ch.queue) + state}
	}
	var groups []string
	for _, key := range sorted(dump) {
		if strings.HasPrefix(key, prefix(ch.queue)+"g:") {
			groups = append(groups, key)
		}
	}
	return groups
}

// contradicted are the ids in a place whose task is missing or in another state.
func (ch *change) contradicted(place, state string) []string {
	var out []string
	for _, id := range idsIn(ch.before, place) {
		if hashOf(ch.before, prefix(ch.queue)+"t:"+id)["state"] != state {
			out = append(out, id)
		}
	}
	return out
}

// misplaced puts ids back that asynq has moved although their tasks are not there, or
// not in this state.
func (ch *change) misplaced(left map[string]any) (met bool) {
	state, ok := ch.call["state"].(string)
	if !ok {
		return false
	}
	for _, place := range ch.places(ch.before, state) {
		for _, id := range ch.contradicted(place, state) {
			if holds(left, place, id) {
				continue
			}
			met = true
			for _, key := range sorted(left) {
				take(left, key, id)
			}
			task := prefix(ch.queue) + "t:" + id
			delete(left, task)
			if before, ok := ch.before[task]; ok {
				left[task] = before
			}
			if lock := held(ch.before, hashOf(ch.before, task), id); lock != "" {
				left[lock] = ch.before[lock]
			}
			put(left, ch.before, place, id)
			if group, ok := strings.CutPrefix(place, prefix(ch.queue)+"g:"); ok {
				addToSet(left, prefix(ch.queue)+"groups", group)
			}
		}
	}
	return met
}

func (ch *change) pendingSince(left map[string]any) (met bool) {
	if !strings.HasPrefix(ch.verb, "run_") {
		return false
	}
	ch.eachTask(left, func(key, _ string, hash map[string]any) {
		before := hashOf(ch.before, key)
		if hash["state"] == "pending" && before["state"] != "pending" {
			hash["pending_since"] = ch.now
			met = true
		}
	})
	return met
}

func (ch *change) notPending(left map[string]any) (met bool) {
	if !strings.HasPrefix(ch.verb, "archive_") {
		return false
	}
	ch.eachTask(left, func(key, _ string, hash map[string]any) {
		if _, ok := hash["pending_since"]; ok && hash["state"] == "archived" && hashOf(ch.before, key)["state"] == "pending" {
			delete(hash, "pending_since")
			met = true
		}
	})
	return met
}

func (ch *change) noGroup(left map[string]any) (met bool) {
	ch.eachTask(left, func(key, _ string, hash map[string]any) {
		before := hashOf(ch.before, key)
		if before == nil || before["state"] == hash["state"] {
			return
		}
		if _, ok := hash["group"]; ok {
			delete(hash, "group")
			if message, _ := hash["msg"].(map[string]any); message["unique_key"] != "" && message["unique_key"] != nil {
				hash["unique_key"] = message["unique_key"] // Go's client does not name it
			}
			met = true
		}
		if hash["state"] == "pending" {
			delete(hash, "rasynq_group")
			delete(hash, "rasynq_owner")
		}
	})
	return met
}

// untrimmed: an inspector does not know how long the servers keep archived tasks. asynq drops those of
// more than 90 days.
func (ch *change) untrimmed(left map[string]any) (met bool) {
	if !strings.HasPrefix(ch.verb, "archive_") {
		return false
	}
	place := prefix(ch.queue) + "archived"
	for _, id := range idsIn(ch.before, place) {
		if !holds(left, place, id) {
			put(left, ch.before, place, id)
			met = true
		}
	}
	return met
}

// held is the lock of a task, if the task holds it.
func held(dump, hash map[string]any, id string) string {
	key, _ := hash["unique_key"].(string)
	if key == "" {
		message, _ := hash["msg"].(map[string]any)
		key, _ = message["unique_key"].(string)
	}
	lock, _ := dump[key].(map[string]any)
	if key == "" || lock["string"] != id {
		return ""
	}
	return key
}

func (ch *change) locks(left map[string]any) (met bool) {
	if !strings.HasPrefix(ch.verb, "delete_") {
		return false
	}
	ch.eachTask(ch.before, func(key, id string, hash map[string]any) {
		if _, there := left[key]; there {
			return
		}
		if lock := held(left, hash, id); lock != "" {
			delete(left, lock)
			met = true
		}
	})
	return met
}

func (ch *change) wholeQueue(left map[string]any) (met bool) {
	if ch.verb != "delete_queue" {
		return false
	}
	for key := range left {
		if strings.HasPrefix(key, prefix(ch.queue)) {
			delete(left, key)
			met = true
		}
	}
	return met
}

// lockKey is the key of the lock for a task of this type and payload.
func lockKey(queue string, taskType any, payload []byte) string {
	key := prefix(queue) + "unique:" + fmt.Sprint(taskType) + ":"
	if len(payload) > 0 {
		sum := md5.Sum(payload)
		key += hex.EncodeToString(sum[:])
	}
	return key
}

func (ch *change) moveLock(left map[string]any) bool {
	if ch.verb != "update_task_payload" {
		return false
	}
	id := fmt.Sprint(ch.call["task"])
	hash := hashOf(left, prefix(ch.queue)+"t:"+id)
	message, _ := hash["msg"].(map[string]any)
	old, _ := message["unique_key"].(string)
	payload, _ := scenario.BytesOf(message["payload"])
	key := lockKey(ch.queue, message["type"], payload)
	if old == "" || old == key {
		return false
	}
	if lock := held(left, hash, id); lock != "" {
		left[key] = left[lock]
		delete(left, lock)
	}
	hash["unique_key"], message["unique_key"] = key, key
	return true
}
