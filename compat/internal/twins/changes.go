package twins

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"rasynq/compat/internal/keyspace"
)

// change is one change that both sides make.
type change struct {
	call   args
	verb   string
	queue  string
	before map[string]any // the queue's keys
	now    float64        // the time of the change, in seconds
	count  float64        // of a bulk change: how many tasks
}

// spare is the database that keeps a copy while others are changed.
const spare = 15

// singleChanges changes single tasks, pauses queues, and deletes some. After each one
// the databases are compared, and made equal: in turn both are like the one that the
// one side has left, and like that of the other.
func (c *comparison) singleChanges() error {
	names, err := c.queueNames()
	if err != nil {
		return err
	}
	for i := range c.Changes {
		var call args
		if i < len(firstChanges) {
			call = firstChanges[i]
		}
		queue, ok := call["queue"].(string)
		if !ok {
			queue = pick(c.rng, names)
		}
		dump, err := c.dump(c.one, queue)
		if err != nil {
			return err
		}
		if call == nil {
			call = c.singleChange(queue, dump)
		}
		if err := c.change(call, dump); err != nil {
			return err
		}
	}
	return nil
}

// firstChanges are those that chance might not bring.
var firstChanges = []args{
	{"call": "update_task_payload", "queue": "default", "task": "rival-one", "payload": args{"utf8": "two"}},
	{"call": "update_task_payload", "queue": "default", "task": "rival-two", "payload": args{"utf8": "three"}},
	{"call": "run_task", "queue": damaged, "task": "placeless"},
}

// singleChange chooses a change.
func (c *comparison) singleChange(queue string, dump map[string]any) args {
	verb := pick(c.rng, []string{"run_task", "run_task", "archive_task", "archive_task", "delete_task", "update_task_payload", "pause_queue", "unpause_queue", "cancel_processing"})
	call := args{"call": verb, "queue": queue}
	switch verb {
	case "pause_queue", "unpause_queue":
		return call
	case "cancel_processing":
		return args{"call": verb, "task": "nobody"}
	}
	ids := append(c.tasks(queue, dump, 1), "missing")
	call["task"] = ids[0]
	// rasynq changes tasks of a queue that is not listed, asynq does not.
	if c.chance(3) || queue == unlisted {
		call["task"] = "missing"
		return call
	}
	if verb == "update_task_payload" {
		c.newPayload(call, dump)
	}
	return call
}

// newPayload chooses a task, mostly a scheduled one, and a payload for it: a new one,
// none, or the one for which another task holds the lock.
func (c *comparison) newPayload(call, dump args) {
	queue := call["queue"].(string)
	if scheduled := idsIn(dump, prefix(queue)+"scheduled"); len(scheduled) > 0 && c.chance(80) {
		unique := slices.DeleteFunc(slices.Clone(scheduled), func(id string) bool { return held(dump, hashOf(dump, prefix(queue)+"t:"+id), id) == "" })
		call["task"] = pick(c.rng, append(scheduled, unique...))
		if len(unique) > 0 && c.chance(50) {
			call["task"] = pick(c.rng, unique)
		}
	}
	call["payload"] = args{"utf8": fmt.Sprintf("new %d", c.rng.IntN(1000))}
	if c.chance(10) {
		call["payload"] = nil
	}
	message := messageOf(dump, queue, fmt.Sprint(call["task"]))
	if !c.chance(50) {
		return
	}
	for _, id := range c.tasks(queue, dump, 1000) {
		hash := hashOf(dump, prefix(queue)+"t:"+id)
		if other := messageOf(dump, queue, id); id != call["task"] && other["type"] == message["type"] && held(dump, hash, id) != "" {
			call["payload"] = other["payload"]
			return
		}
	}
}

// bulkChanges makes every bulk change that the inspectors have in every queue, and
// deletes every queue, each time from the same database.
func (c *comparison) bulkChanges() error {
	if err := c.copyDB(c.one.DB, spare); err != nil {
		return err
	}
	names, err := c.queueNames()
	if err != nil {
		return err
	}
	for _, queue := range names {
		for _, call := range bulkCalls(queue) {
			for _, side := range []*Side{c.one, c.other} {
				if err := c.copyDB(spare, side.DB); err != nil {
					return err
				}
			}
			dump, err := c.dump(c.one, queue)
			if err != nil {
				return err
			}
			if err := c.change(call, dump); err != nil {
				return err
			}
		}
	}
	return nil
}

func bulkCalls(queue string) []args {
	var calls []args
	for _, verb := range []string{"run_all", "archive_all", "delete_all"} {
		for _, state := range allStates {
			if state != "aggregating" {
				calls = append(calls, args{"call": verb, "queue": queue, "state": state})
				continue
			}
			for _, group := range []string{groupNames[0], groupNames[1], "missing"} {
				calls = append(calls, args{"call": verb, "queue": queue, "state": state, "group": group})
			}
		}
	}
	return append(calls, args{"call": "delete_queue", "queue": queue}, args{"call": "delete_queue", "queue": queue, "force": true})
}

// change has both sides make a change, compares their answers and databases, asks
// some questions about what has come of it, and makes the databases equal.
func (c *comparison) change(call, dump args) error {
	queue, _ := call["queue"].(string)
	now, err := c.now()
	if err != nil {
		return err
	}
	ch := &change{call: call, verb: fmt.Sprint(call["call"]), queue: queue, before: dump, now: now}
	one, other, err := c.both(call)
	if err != nil {
		return err
	}
	c.changed++
	done := one.err == nil
	if c.differing() {
		one, other = c.expectAnswers(call, dump, one, other)
	}
	ch.count, _ = one.value.(float64)
	if bad := differences(one, other); len(bad) > 0 {
		return c.fail("%s: %s and %s answer differently:\n      %s", describe(call), c.one.Impl, c.other.Impl, lines(bad))
	}
	left, err := c.dump(c.one, queue)
	if err != nil {
		return err
	}
	right, err := c.dump(c.other, queue)
	if err != nil {
		return err
	}
	switch {
	case !c.differing():
	case one.err == nil:
		c.expectKeys(ch, left)
	case done: // rasynq must refuse it
		left = ch.before
	}
	if bad := diff(nil, left, right, ch.tolerance); len(bad) > 0 {
		return c.fail("%s: %s and %s leave different keys:\n      %s", describe(call), c.one.Impl, c.other.Impl, lines(bad))
	}
	if c.changed%10 == 1 {
		if err := c.elsewhere(ch); err != nil {
			return err
		}
	}
	from, to := c.one, c.other
	if c.changed%2 == 0 {
		from, to = to, from
	}
	if err := c.copyDB(from.DB, to.DB); err != nil {
		return err
	}
	return c.readAfter(ch)
}

// elsewhere compares the keys that do not belong to the queue of the change.
func (c *comparison) elsewhere(ch *change) error {
	var dumps [2]map[string]any
	for i, side := range []*Side{c.one, c.other} {
		dump, err := keyspace.Dump(c.ctx, side.Redis, "*")
		if err != nil {
			return err
		}
		dropPassing(dump)
		for key := range dump {
			if strings.HasPrefix(key, prefix(ch.queue)) {
				delete(dump, key)
			}
		}
		dumps[i] = dump
	}
	if bad := diff(nil, dumps[0], dumps[1], ch.tolerance); len(bad) > 0 {
		return c.fail("%s: %s and %s leave different keys elsewhere:\n      %s", describe(ch.call), c.one.Impl, c.other.Impl, lines(bad))
	}
	return nil
}

// readAfter asks some questions after a change.
func (c *comparison) readAfter(ch *change) error {
	dump, err := c.dump(c.one, ch.queue)
	if err != nil {
		return err
	}
	calls := []args{{"call": "queue_info", "queue": ch.queue}}
	if task, ok := ch.call["task"]; ok && ch.queue != "" {
		calls = append(calls, args{"call": "task_info", "queue": ch.queue, "task": task})
	}
	for _, state := range []string{"pending", "archived"} {
		calls = append(calls, args{"call": "list", "queue": ch.queue, "state": state, "page_size": 0})
	}
	for _, call := range calls {
		if err := c.read(call, dump); err != nil {
			return fmt.Errorf("after %s: %w", describe(ch.call), err)
		}
	}
	return nil
}

// near is how far apart two times of the same change may be, in seconds.
const near = 10

// tolerance is how far apart two numbers of the databases may be: times to live, and
// times that the change has written.
func (ch *change) tolerance(name string, one, other float64) float64 {
	if name == "ttl" {
		return near
	}
	if ch.isNow(one) && ch.isNow(other) {
		return near
	}
	return 0
}

// isNow reports whether a number is a time of the change, in seconds.
func (ch *change) isNow(seconds float64) bool { return math.Abs(seconds-ch.now) <= 2*near }

// dropPassing removes keys of rasynq alone that expire, and makes nanoseconds numbers.
func dropPassing(dump map[string]any) {
	keyspace.DropOwn(dump)
	for key, value := range dump {
		entry, _ := value.(map[string]any)
		if hash, ok := entry["hash"].(map[string]any); ok {
			if since, err := strconv.ParseInt(fmt.Sprint(hash["pending_since"]), 10, 64); err == nil {
				hash["pending_since"] = float64(since) / 1e9
			}
		}
		if strings.HasSuffix(key, ":paused") {
			if since, err := strconv.ParseInt(fmt.Sprint(entry["string"]), 10, 64); err == nil {
				entry["string"] = float64(since)
			}
		}
	}
}

// escape makes a text one that Redis' patterns take literally.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// messageOf is the message of a task. Nil: there is none.
func messageOf(dump map[string]any, queue, id string) map[string]any {
	message, _ := hashOf(dump, prefix(queue)+"t:"+id)["msg"].(map[string]any)
	return message
}

// hashOf is the hash of a task. Nil: there is none.
func hashOf(dump map[string]any, key string) map[string]any {
	entry, _ := dump[key].(map[string]any)
	hash, _ := entry["hash"].(map[string]any)
	return hash
}
