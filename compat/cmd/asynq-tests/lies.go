package main

import (
	"encoding/json"
	"strings"
)

// lies are the lies of the self-test.
var lies = []lie{
	{test: "Test"}, // the truth: nothing may fail

	{test: "TestClientEnqueue$", request: without("retention")},
	{test: "TestClientEnqueue$", request: without("timeout")},
	{test: "TestClientEnqueue$", request: oneMore("deadline")},
	{test: "TestClientEnqueue$", request: oneMore("max_retry")},
	{test: "TestClientEnqueue$", request: eachOption(lowerCaseQueue)},
	{test: "TestClientEnqueue$", answer: to("enqueue", set(message{"max_retry": 25}))},
	{test: "TestClientEnqueueWithProcessAtOption", request: oneMore("process_at")},
	{test: "TestClientEnqueueWithProcessAtOption", answer: to("enqueue", set(message{"state": "pending"}))},
	{test: "TestClientEnqueueWithProcessInOption", request: without("process_in")},
	{test: "TestClientEnqueueWithGroupOption", request: without("group")},
	{test: "TestClientEnqueueWithTaskIDOption", request: without("task_id")},
	{test: "TestClientEnqueueWithConflictingTaskID", answer: kind("id_conflict", "duplicate")},
	{test: "TestClientEnqueueUnique$", request: without("unique")},
	{test: "TestClientEnqueueUniqueWithProcessInOption", answer: kind("duplicate", "other")},
	{test: "TestClientEnqueueError", request: eachOption(dropIf("task_id", "  "))},
	{test: "TestClientWithDefaultOptions", request: inTask(func(task message) { delete(task, "opts") })},
	{test: "TestClientEnqueueWithHeaders$", request: inTask(func(task message) { delete(task, "headers") })},

	{test: "TestInspectorQueues", answer: to("queues", dropLast)},
	{test: "TestInspectorDeleteQueue$", request: doNothing("delete_queue")},
	{test: "TestInspectorDeleteQueueErrorQueueNotEmpty", answer: kind("queue_not_empty", "other")},
	{test: "TestInspectorGetQueueInfo", answer: to("queue_info", set(message{"latency_ms": 14000}))},
	{test: "TestInspectorGetQueueInfo", answer: to("queue_info", set(message{"size": 5}))},
	{test: "TestInspectorHistory", answer: to("history", setInEach(message{"failed": 0}))},
	{test: "TestInspectorGetTaskInfo$", answer: to("task_info", set(message{"next_process_at": 0}))},
	{test: "TestInspectorListActiveTasks", answer: to("list", setInEach(message{"orphaned": false}))},
	{test: "TestInspectorListArchivedTasks", answer: to("list", reverse)},
	{test: "TestInspectorListPagination", request: withoutField("page")},
	{test: "TestInspectorListAggregatingTasks", answer: to("list", dropLast)},
	{test: "TestInspectorDeleteAllRetryTasks", answer: to("delete_all", oneFewer)},
	{test: "TestInspectorArchiveAllPendingTasks", request: doNothing("archive_all")},
	{test: "TestInspectorRunAllArchivedTasks", answer: to("run_all", oneFewer)},
	{test: "TestInspectorUpdateTaskPayloadUpdates", request: doNothing("update_task_payload")},
	{test: "TestInspectorDeleteTaskDeletesRetryTask", request: doNothing("delete_task")},
	{test: "TestInspectorRunTaskError", answer: kind("task_not_found", "queue_not_found")},
	{test: "TestInspectorArchiveTaskArchivesRetryTask", request: doNothing("archive_task")},
	{test: "TestInspectorSchedulerEntries", answer: to("scheduler_entries", setInEach(message{"spec": "@hourly"}))},
	{test: "TestInspectorGroups", answer: to("groups", setInEach(message{"size": 1}))},

	{test: "TestForwarder", request: withoutConfig("delayed_task_check_interval")},
	{test: "TestJanitor", request: withoutConfig("janitor_interval")},
	{test: "TestHealthChecker$", event: never("health")},
	{test: "TestHealthCheckerWhenRedisDown", event: healthy},
	{test: "TestProcessorSuccessWithSingleQueue", event: never("start")},
	{test: "TestProcessorSuccessWithMultipleQueues", request: withoutQueue("low")},
	{test: "TestProcessorRetry", request: withoutConfig("retry_delay")},
	{test: "TestProcessorRetry", request: inHandlers("skip_retry", "error")},
	{test: "TestProcessorRetry", request: inHandlers("revoke", "error")},
	{test: "TestProcessorRetry", event: never("failed")},
	{test: "TestProcessorMarkAsComplete", request: doNothing("serve")},
	{test: "TestProcessorPerform", request: inHandlers(`{"panic":"something went terribly wrong"}`, `{"return":"ok"}`)},
	{test: "TestReturnPanicError", request: inHandlers(`{"panic":"something went terribly wrong"}`, `{"return":{"error":"x"}}`)},
	{test: "TestProcessorComputeDeadline", event: laterDeadline},
	{test: "TestRecoverer", request: doNothing("serve")},
	{test: "TestServeMux$", request: inHandlers(`"email:"`, `"mail:"`)},
	{test: "TestServeMuxNotFound", request: handleImages},
	{test: "TestSubscriber$", event: never("end")},
	{test: "TestAggregator", request: withoutConfig("group_max_size")},
	{test: "TestSchedulerRegister", request: replace("register", "spec", "@every 4s")},
	{test: "TestSchedulerUnregister", request: doNothing("unregister")},
	{test: "TestSchedulerPostAndPreEnqueueHandler", event: never("enqueued")},

	{test: "TestEnqueue$", request: oneMore("max_retry")},
	{test: "TestEnqueueUnique$", request: without("unique")},
	{test: "TestScheduleUnique$", request: eachOption(uniqueFor5m)},
	{test: "TestAddToGroup$", request: without("group")},
	{test: "TestDone$", request: inHandlers(`"return":"ok"`, `"return":{"error":"x"}`)},
	{test: "TestMarkAsComplete", request: inHandlers(`"return":"ok"`, `"return":{"revoke":"x"}`)},
	{test: "TestRequeue", request: inHandlers(`"sleep":"1m"`, `"return":"ok"`)},
	{test: "TestRetry$", request: withoutConfig("retry_delay")},
	{test: "TestRetryWithNonFailureError", request: withoutConfig("not_failure")},
	{test: "TestArchive$", request: inHandlers("SMTP server not", "SMTP server")},
	{test: "TestDequeue$", request: withoutQueue("critical")},
	{test: "TestDequeueIgnoresPausedQueues", request: doNothing("pause_queue")},
	{test: "TestForwardIfReady$", request: withoutConfig("delayed_task_check_interval")},
	{test: "TestForwardIfReadyWithGroup", request: doNothing("serve")},
	{test: "TestDeleteExpiredCompletedTasks", request: withoutConfig("janitor_interval")},
	{test: "TestReclaimStaleAggregationSets", request: doNothing("serve")},
	{test: "TestCancelationPubSub", request: doNothing("cancel_processing")},

	{test: "TestCurrentStats$", answer: to("queue_info", set(message{"groups": 0}))},
	{test: "TestHistoricalStats", answer: to("history", setInEach(message{"processed": 1}))},
	{test: "TestGetTaskInfo$", answer: to("task_info", set(message{"result": nil}))},
	{test: "TestListPending$", answer: to("list", reverse)},
	{test: "TestListArchivedPagination", request: withoutField("page")},
	{test: "TestListCompleted$", answer: to("list", setInEach(message{"completed_at": 0}))},
	{test: "TestRunTaskError", answer: kind("wrong_state", "other")},
	{test: "TestRunAggregatingTask", request: doNothing("run_task")},
	{test: "TestArchiveTaskError", answer: kind("wrong_state", "task_not_found")},
	{test: "TestArchiveAllAggregatingTasks", answer: to("archive_all", oneFewer)},
	{test: "TestDeleteTaskWithUniqueLock", request: doNothing("delete_task")},
	{test: "TestDeleteAllPendingTasks", answer: to("delete_all", oneFewer)},
	{test: "TestRemoveQueueError", answer: kind("queue_not_empty", "other")},
	{test: "TestRemoveQueue$", request: doNothing("delete_queue")},
	{test: "TestListServers", answer: to("servers", setInEach(message{"pid": 1}))},
	{test: "TestSchedulerEnqueueEvents", answer: to("enqueue_events", dropLast)},
	{test: "TestPauseError", answer: func(_, answer message) { delete(answer, "err") }},
	{test: "TestPeriodicTaskManager$", request: replace("periodic", "sync_interval", "1h")},
	{test: "TestParseRedisURIErrors", uri: "redis://127.0.0.1:1/0"},
}

// names reports whether a request is for this operation, or for this call of the inspector.
func names(request message, operation string) bool {
	return request["op"] == operation || request["call"] == operation
}

// eachOption changes the options of a request, those on the task included. `change`
// returns false to drop an option.
func eachOption(change func(option message) bool) func(message) {
	return func(request message) {
		task, _ := request["task"].(map[string]any)
		for _, m := range []message{request, task} {
			options, ok := m["opts"].([]any)
			if !ok {
				continue
			}
			kept := []any{}
			for _, o := range options {
				if option, ok := o.(map[string]any); ok && !change(option) {
					continue
				}
				kept = append(kept, o)
			}
			m["opts"] = kept
		}
	}
}

func without(key string) func(message) {
	return eachOption(func(option message) bool { _, has := option[key]; return !has })
}

func dropIf(key string, value any) func(message) bool {
	return func(option message) bool { return option[key] != value }
}

func oneMore(key string) func(message) {
	return eachOption(func(option message) bool {
		if n, ok := option[key].(float64); ok {
			option[key] = n + 1
		}
		return true
	})
}

func lowerCaseQueue(option message) bool {
	if queue, ok := option["queue"].(string); ok {
		option["queue"] = strings.ToLower(queue)
	}
	return true
}

func uniqueFor5m(option message) bool {
	if _, ok := option["unique"]; ok {
		option["unique"] = "5m"
	}
	return true
}

func inTask(change func(task message)) func(message) {
	return func(request message) {
		if task, ok := request["task"].(map[string]any); ok {
			change(task)
		}
	}
}

func withoutField(key string) func(message) {
	return func(request message) { delete(request, key) }
}

func replace(operation, key string, value any) func(message) {
	return func(request message) {
		if names(request, operation) {
			request[key] = value
		}
	}
}

// doNothing makes the peer answer ok to a request without serving it.
func doNothing(operation string) func(message) {
	return func(request message) {
		if names(request, operation) {
			id := request["id"]
			clear(request)
			request["id"], request["op"] = id, "hello"
		}
	}
}

func withoutConfig(key string) func(message) {
	return func(request message) {
		if config, ok := request["config"].(map[string]any); ok {
			delete(config, key)
		}
	}
}

func withoutQueue(queue string) func(message) {
	return func(request message) {
		if config, ok := request["config"].(map[string]any); ok {
			if queues, ok := config["queues"].(map[string]any); ok {
				delete(queues, queue)
			}
		}
	}
}

// inHandlers replaces a part of the handlers, as compact JSON.
func inHandlers(old, new string) func(message) {
	return func(request message) {
		handlers, ok := request["handlers"]
		if !ok {
			return
		}
		text, err := json.Marshal(handlers)
		if err != nil {
			return
		}
		var changed any
		if json.Unmarshal([]byte(strings.ReplaceAll(string(text), old, new)), &changed) == nil {
			request["handlers"] = changed
		}
	}
}

// handleImages adds a handler for tasks that must have none.
func handleImages(request message) {
	if handlers, ok := request["handlers"].(map[string]any); ok {
		step := map[string]any{"emit": map[string]any{"pattern": "email:"}}
		handlers["image:"] = map[string]any{"attempts": []any{[]any{step}}}
	}
}

// to changes the answers to one operation.
func to(operation string, change func(answer message)) func(request, answer message) {
	return func(request, answer message) {
		if names(request, operation) {
			change(answer)
		}
	}
}

func set(fields message) func(answer message) {
	return func(answer message) {
		if ok, is := answer["ok"].(map[string]any); is {
			for k, v := range fields {
				ok[k] = v
			}
		}
	}
}

func setInEach(fields message) func(answer message) {
	return func(answer message) {
		items, _ := answer["ok"].([]any)
		for _, item := range items {
			if m, ok := item.(map[string]any); ok {
				for k, v := range fields {
					m[k] = v
				}
			}
		}
	}
}

func dropLast(answer message) {
	if items, ok := answer["ok"].([]any); ok && len(items) > 0 {
		answer["ok"] = items[:len(items)-1]
	}
}

func reverse(answer message) {
	items, _ := answer["ok"].([]any)
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
}

func oneFewer(answer message) {
	if n, ok := answer["ok"].(float64); ok {
		answer["ok"] = n - 1
	}
}

// kind changes the kind of an error.
func kind(old, new string) func(request, answer message) {
	return func(_, answer message) {
		if err, ok := answer["err"].(map[string]any); ok && err["kind"] == old {
			err["kind"] = new
		}
	}
}

func never(event string) func(message) bool {
	return func(m message) bool { return m["event"] != event }
}

func healthy(m message) bool {
	if m["event"] == "health" {
		m["error"] = nil
	}
	return true
}

func laterDeadline(m message) bool {
	if at, ok := m["deadline"].(float64); ok && at != 0 {
		m["deadline"] = at + 1
	}
	return true
}
