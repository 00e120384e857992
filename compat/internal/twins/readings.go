package twins

import (
	"fmt"
	"sort"
	"strings"

	"rasynq/compat/internal/keyspace"
)

type args = map[string]any

// allStates are the words of the states, and one that is none.
var allStates = []string{"pending", "active", "scheduled", "retry", "archived", "completed", "aggregating", "finished"}

// readAll asks everything that the inspectors can be asked, and compares the answers.
func (c *comparison) readAll() error {
	for _, call := range []string{"queues", "servers", "scheduler_entries"} {
		if err := c.read(args{"call": call}, nil); err != nil {
			return err
		}
	}
	if err := c.readHistories(); err != nil {
		return err
	}
	names, err := c.queueNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.readQueue(name); err != nil {
			return err
		}
	}
	return nil
}

// readHistories asks what each entry has enqueued.
func (c *comparison) readHistories() error {
	entries, err := c.ask(c.one, args{"call": "scheduler_entries"})
	if err != nil {
		return err
	}
	list, _ := entries.value.([]any)
	ids := []string{"missing"}
	for _, entry := range list {
		ids = append(ids, fmt.Sprint(entry.(map[string]any)["id"]))
	}
	sort.Strings(ids)
	for _, id := range ids {
		for _, page := range c.pages() {
			page["call"], page["entry"] = "enqueue_events", id
			if err := c.read(page, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// pages are the ways to ask for a page of a list.
func (c *comparison) pages() []args {
	size := c.between(1, 40)
	return []args{{}, {"page": 2}, {"page": c.between(1, 4), "page_size": size}, {"page_size": 0}, {"page": 100_000}, {"page": -1}}
}

// readQueue asks everything about one queue.
func (c *comparison) readQueue(queue string) error {
	dump, err := c.dump(c.one, queue)
	if err != nil {
		return err
	}
	calls := []args{{"call": "queue_info"}, {"call": "groups"}}
	for _, days := range []int{-1, 0, 1, 7, 90, 95} {
		calls = append(calls, args{"call": "history", "n": days})
	}
	groups := append([]string{"nobody", "missing"}, groupNames...)
	for _, state := range allStates {
		for _, page := range c.pages() {
			page["call"], page["state"] = "list", state
			if state == "aggregating" {
				page["group"] = pick(c.rng, groups)
			}
			calls = append(calls, page)
		}
	}
	ids := append(c.tasks(queue, dump, 60), "missing", "")
	for _, id := range ids {
		calls = append(calls, args{"call": "task_info", "task": id})
	}
	for _, call := range calls {
		call["queue"] = queue
		if err := c.read(call, dump); err != nil {
			return err
		}
	}
	return nil
}

// tasks are the ids of some tasks of a dump.
func (c *comparison) tasks(queue string, dump map[string]any, most int) []string {
	var ids []string
	p := prefix(queue) + "t:"
	for _, key := range sorted(dump) {
		if id, ok := strings.CutPrefix(key, p); ok && id != "" {
			ids = append(ids, id)
		}
	}
	c.rng.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	return ids[:min(most, len(ids))]
}

// read asks both sides, whose databases are equal, and compares their answers. The
// dump is that of the queue in question.
func (c *comparison) read(call args, dump map[string]any) error {
	one, other, err := c.both(call)
	if err != nil {
		return err
	}
	if call["call"] == "scheduler_entries" || call["call"] == "servers" { // in no particular order
		sortByID(one.value)
		sortByID(other.value)
	}
	if c.differing() {
		one, other = c.expectAnswers(call, dump, one, other)
	}
	if bad := differences(one, other); len(bad) > 0 {
		return c.fail("%s: %s and %s answer differently:\n      %s", describe(call), c.one.Impl, c.other.Impl, lines(bad))
	}
	return nil
}

func sortByID(list any) {
	if list, ok := list.([]any); ok {
		sort.SliceStable(list, func(a, b int) bool {
			return fmt.Sprint(list[a].(map[string]any)["id"]) < fmt.Sprint(list[b].(map[string]any)["id"])
		})
	}
}

// dump reads what a side has of one queue, and the set of queues.
func (c *comparison) dump(side *Side, queue string) (map[string]any, error) {
	p := escape(prefix(queue))
	dump, err := keyspace.Dump(c.ctx, side.Redis, p+"*", "asynq:queues", "rasynq:*")
	dropPassing(dump)
	return dump, err
}
