package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hibiken/asynq"
)

// inspectForm has the arguments of all calls together.
type inspectForm struct {
	head
	Call     string `json:"call"`
	Queue    string `json:"queue"`
	Task     string `json:"task"`
	State    string `json:"state"`
	Group    string `json:"group"`
	Entry    string `json:"entry"`
	N        int    `json:"n"`
	Force    bool   `json:"force"`
	Payload  data   `json:"payload"`
	Page     *int   `json:"page"`
	PageSize *int   `json:"page_size"`
}

// call is one call of the inspector.
type call struct {
	needs, takes string // names of required and of optional arguments
	do           func(*asynq.Inspector, *inspectForm) (any, error)
}

var calls = map[string]call{
	"queues":              {"", "", queues},
	"queue_info":          {"queue", "", queueInfo},
	"history":             {"queue n", "", history},
	"pause_queue":         {"queue", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.PauseQueue(f.Queue) })},
	"unpause_queue":       {"queue", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.UnpauseQueue(f.Queue) })},
	"delete_queue":        {"queue", "force", done(func(i *asynq.Inspector, f *inspectForm) error { return i.DeleteQueue(f.Queue, f.Force) })},
	"groups":              {"queue", "", groups},
	"task_info":           {"queue task", "", taskInfo},
	"run_task":            {"queue task", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.RunTask(f.Queue, f.Task) })},
	"archive_task":        {"queue task", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.ArchiveTask(f.Queue, f.Task) })},
	"delete_task":         {"queue task", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.DeleteTask(f.Queue, f.Task) })},
	"update_task_payload": {"queue task", "payload", done(updatePayload)},
	"list":                {"queue state", "group page page_size", list},
	"run_all":             {"queue state", "group", runAll},
	"archive_all":         {"queue state", "group", archiveAll},
	"delete_all":          {"queue state", "group", deleteAll},
	"cancel_processing":   {"task", "", done(func(i *asynq.Inspector, f *inspectForm) error { return i.CancelProcessing(f.Task) })},
	"servers":             {"", "", servers},
	"scheduler_entries":   {"", "", schedulerEntries},
	"enqueue_events":      {"entry", "page page_size", enqueueEvents},
}

func (p *peer) inspect(request []byte) (any, error) {
	var req inspectForm
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	c, ok := calls[req.Call]
	if !ok {
		return nil, invalidf("unknown call %q", req.Call)
	}
	if err := c.check(request); err != nil {
		return nil, err
	}
	return c.do(p.inspector, &req)
}

// check refuses unknown arguments, and calls without a required one.
func (c call) check(request []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(request, &given); err != nil {
		return invalidf("%v", err)
	}
	needs := strings.Fields(c.needs)
	for _, name := range needs {
		if value, ok := given[name]; !ok || string(value) == "null" {
			return invalidf("%s is missing", name)
		}
	}
	allowed := append(needs, "id", "op", "call")
	allowed = append(allowed, strings.Fields(c.takes)...)
	for name := range given {
		if !slices.Contains(allowed, name) {
			return invalidf("unknown field %q", name)
		}
	}
	return nil
}

func done(do func(*asynq.Inspector, *inspectForm) error) func(*asynq.Inspector, *inspectForm) (any, error) {
	return func(i *asynq.Inspector, f *inspectForm) (any, error) { return nil, do(i, f) }
}

func queues(i *asynq.Inspector, _ *inspectForm) (any, error) {
	names, err := i.Queues()
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	return append([]string{}, names...), nil
}

func queueInfo(i *asynq.Inspector, f *inspectForm) (any, error) {
	q, err := i.GetQueueInfo(f.Queue)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"queue":           q.Queue,
		"size":            q.Size,
		"groups":          q.Groups,
		"pending":         q.Pending,
		"active":          q.Active,
		"scheduled":       q.Scheduled,
		"retry":           q.Retry,
		"archived":        q.Archived,
		"completed":       q.Completed,
		"aggregating":     q.Aggregating,
		"processed":       q.Processed,
		"failed":          q.Failed,
		"processed_total": q.ProcessedTotal,
		"failed_total":    q.FailedTotal,
		"paused":          q.Paused,
		"latency_ms":      q.Latency.Milliseconds(),
		"memory_bytes":    q.MemoryUsage,
	}, nil
}

func history(i *asynq.Inspector, f *inspectForm) (any, error) {
	days, err := i.History(f.Queue, f.N)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, d := range days {
		out = append(out, map[string]any{
			"queue":     d.Queue,
			"date":      d.Date.UTC().Format("2006-01-02"),
			"processed": d.Processed,
			"failed":    d.Failed,
		})
	}
	return out, nil
}

func groups(i *asynq.Inspector, f *inspectForm) (any, error) {
	found, err := i.Groups(f.Queue)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, g := range found {
		out = append(out, map[string]any{"group": g.Group, "size": g.Size})
	}
	sort.Slice(out, func(a, b int) bool { return out[a]["group"].(string) < out[b]["group"].(string) })
	return out, nil
}

func taskInfo(i *asynq.Inspector, f *inspectForm) (any, error) {
	t, err := i.GetTaskInfo(f.Queue, f.Task)
	if err != nil {
		return nil, err
	}
	return info(t), nil
}

func updatePayload(i *asynq.Inspector, f *inspectForm) error {
	return i.UpdateTaskPayload(f.Queue, f.Task, f.Payload)
}

// pages are the options that choose a page of a listing.
func (f *inspectForm) pages() []asynq.ListOption {
	var opts []asynq.ListOption
	if f.Page != nil {
		opts = append(opts, asynq.Page(*f.Page))
	}
	if f.PageSize != nil {
		opts = append(opts, asynq.PageSize(*f.PageSize))
	}
	return opts
}

func list(i *asynq.Inspector, f *inspectForm) (any, error) {
	var tasks []*asynq.TaskInfo
	var err error
	switch pages := f.pages(); f.State {
	case "pending":
		tasks, err = i.ListPendingTasks(f.Queue, pages...)
	case "active":
		tasks, err = i.ListActiveTasks(f.Queue, pages...)
	case "scheduled":
		tasks, err = i.ListScheduledTasks(f.Queue, pages...)
	case "retry":
		tasks, err = i.ListRetryTasks(f.Queue, pages...)
	case "archived":
		tasks, err = i.ListArchivedTasks(f.Queue, pages...)
	case "completed":
		tasks, err = i.ListCompletedTasks(f.Queue, pages...)
	case "aggregating":
		tasks, err = i.ListAggregatingTasks(f.Queue, f.Group, pages...)
	default:
		return nil, invalidf("unknown state %q", f.State)
	}
	if err != nil {
		return nil, err
	}
	out := []infoForm{}
	for _, t := range tasks {
		out = append(out, info(t))
	}
	return out, nil
}

// noCall is the answer where the library has no such call for a state.
func noCall(f *inspectForm) (any, error) {
	switch f.State {
	case "pending", "active", "scheduled", "retry", "archived", "completed", "aggregating":
		return nil, fail(kindUnsupported, fmt.Errorf("the inspector has no %s for %s tasks", f.Call, f.State))
	}
	return nil, invalidf("unknown state %q", f.State)
}

// stateCall is a call on all tasks of one state.
type stateCall func(*asynq.Inspector, *inspectForm) (int, error)

// ofQueue is a call that needs a queue only.
func ofQueue(do func(*asynq.Inspector, string) (int, error)) stateCall {
	return func(i *asynq.Inspector, f *inspectForm) (int, error) { return do(i, f.Queue) }
}

// ofGroup is a call that needs a queue and a group.
func ofGroup(do func(*asynq.Inspector, string, string) (int, error)) stateCall {
	return func(i *asynq.Inspector, f *inspectForm) (int, error) { return do(i, f.Queue, f.Group) }
}

// byState does the call for the state that the request names.
func byState(calls map[string]stateCall) func(*asynq.Inspector, *inspectForm) (any, error) {
	return func(i *asynq.Inspector, f *inspectForm) (any, error) {
		do, ok := calls[f.State]
		if !ok {
			return noCall(f)
		}
		n, err := do(i, f)
		if err != nil {
			return nil, err
		}
		return n, nil
	}
}

var runAll = byState(map[string]stateCall{
	"scheduled":   ofQueue((*asynq.Inspector).RunAllScheduledTasks),
	"retry":       ofQueue((*asynq.Inspector).RunAllRetryTasks),
	"archived":    ofQueue((*asynq.Inspector).RunAllArchivedTasks),
	"aggregating": ofGroup((*asynq.Inspector).RunAllAggregatingTasks),
})

var archiveAll = byState(map[string]stateCall{
	"pending":     ofQueue((*asynq.Inspector).ArchiveAllPendingTasks),
	"scheduled":   ofQueue((*asynq.Inspector).ArchiveAllScheduledTasks),
	"retry":       ofQueue((*asynq.Inspector).ArchiveAllRetryTasks),
	"aggregating": ofGroup((*asynq.Inspector).ArchiveAllAggregatingTasks),
})

var deleteAll = byState(map[string]stateCall{
	"pending":     ofQueue((*asynq.Inspector).DeleteAllPendingTasks),
	"scheduled":   ofQueue((*asynq.Inspector).DeleteAllScheduledTasks),
	"retry":       ofQueue((*asynq.Inspector).DeleteAllRetryTasks),
	"archived":    ofQueue((*asynq.Inspector).DeleteAllArchivedTasks),
	"completed":   ofQueue((*asynq.Inspector).DeleteAllCompletedTasks),
	"aggregating": ofGroup((*asynq.Inspector).DeleteAllAggregatingTasks),
})

func servers(i *asynq.Inspector, _ *inspectForm) (any, error) {
	found, err := i.Servers()
	if err != nil {
		return nil, err
	}
	sort.Slice(found, func(a, b int) bool { return found[a].ID < found[b].ID })
	out := []map[string]any{}
	for _, s := range found {
		sort.Slice(s.ActiveWorkers, func(a, b int) bool { return s.ActiveWorkers[a].TaskID < s.ActiveWorkers[b].TaskID })
		active := []map[string]any{}
		for _, w := range s.ActiveWorkers {
			active = append(active, map[string]any{
				"task":     w.TaskID,
				"type":     w.TaskType,
				"payload":  data(w.TaskPayload),
				"queue":    w.Queue,
				"started":  unixTime(w.Started),
				"deadline": unixTime(w.Deadline),
			})
		}
		out = append(out, map[string]any{
			"id":          s.ID,
			"host":        s.Host,
			"pid":         s.PID,
			"concurrency": s.Concurrency,
			"queues":      s.Queues,
			"strict":      s.StrictPriority,
			"started":     unixTime(s.Started),
			"status":      s.Status,
			"active":      active,
		})
	}
	return out, nil
}

func schedulerEntries(i *asynq.Inspector, _ *inspectForm) (any, error) {
	entries, err := i.SchedulerEntries()
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, e := range entries {
		opts := []string{}
		for _, o := range e.Opts {
			opts = append(opts, o.String())
		}
		out = append(out, map[string]any{
			"id":      e.ID,
			"spec":    e.Spec,
			"type":    e.Task.Type(),
			"payload": data(e.Task.Payload()),
			"opts":    opts,
			"next":    unixTime(e.Next),
			"prev":    unixTime(e.Prev),
		})
	}
	return out, nil
}

func enqueueEvents(i *asynq.Inspector, f *inspectForm) (any, error) {
	events, err := i.ListSchedulerEnqueueEvents(f.Entry, f.pages()...)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, e := range events {
		out = append(out, map[string]any{"task": e.TaskID, "at": unixTime(e.EnqueuedAt)})
	}
	return out, nil
}
