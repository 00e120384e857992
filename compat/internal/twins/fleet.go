package twins

import (
	"fmt"

	"rasynq/compat/internal/asynqpb"
)

// fleet writes servers with their workers, and schedulers with their entries and what
// those have enqueued. Some are over.
func (f *filling) fleet() {
	for i := range 6 {
		f.server(i)
	}
	for i := range 4 {
		f.scheduler(i)
	}
}

func (f *filling) add(key, message string, values map[string]any, words ...any) {
	raw, err := asynqpb.Encode(message, values)
	if err != nil {
		panic(err) // a defect of this file
	}
	f.do(append(append(words[:1:1], key), append(words[1:], raw)...)...)
}

// moment is a time some seconds from the beginning, with nanoseconds.
func (f *filling) moment(from, to int) asynqpb.Timestamp {
	return asynqpb.Timestamp{Seconds: f.now + int64(f.between(from, to)), Nanos: int32(f.rng.IntN(1e9))}
}

// server writes a server: its entry, and its workers. The first one is over, the
// second one has lost its entry, the third one has no workers.
func (f *filling) server(i int) {
	id, host, pid := f.uuid(), fmt.Sprintf("host-%d", f.rng.IntN(3)), int64(f.between(1, 99_999))
	name := fmt.Sprintf("{%s:%d:%s}", host, pid, id)
	expiry := f.now + 2000
	if i == 0 {
		expiry = f.now - 5
	}
	f.do("ZADD", "asynq:servers", expiry, "asynq:servers:"+name)
	f.do("ZADD", "asynq:workers", expiry, "asynq:workers:"+name)
	workers := f.between(1, 8)
	if i == 2 {
		workers = 0
	}
	if i != 1 {
		f.add("asynq:servers:"+name, asynqpb.ServerInfo, map[string]any{
			"host": host, "pid": pid, "server_id": id, "concurrency": int64(f.between(1, 100)),
			"queues":          map[string]int64{"default": int64(f.between(1, 9)), "low": 1},
			"strict_priority": f.chance(50), "status": pick(f.rng, []string{"active", "stopped", "new", "closed"}),
			"start_time": f.moment(-100_000, -10), "active_worker_count": int64(workers),
		}, "SET")
	}
	for range workers {
		t := f.uuid()
		f.add("asynq:workers:"+name, asynqpb.WorkerInfo, map[string]any{
			"host": host, "pid": pid, "server_id": id, "task_id": t, "task_type": pick(f.rng, types), "task_payload": f.payload(),
			"queue": pick(f.rng, []string{"default", "low"}), "start_time": f.moment(-600, -1), "deadline": f.moment(60, 4000),
		}, "HSET", t)
	}
}

// scheduler writes a scheduler: its entries, and their histories. The first one is over.
func (f *filling) scheduler(i int) {
	key := fmt.Sprintf("asynq:schedulers:{host-%d:%d:%s}", i, f.between(1, 99_999), f.uuid())
	expiry := f.now + 2000 + int64(i)
	if i == 0 {
		expiry = f.now - 5
	}
	f.do("ZADD", "asynq:schedulers", expiry, key)
	for range f.between(0, 5) {
		id, previous := f.uuid(), f.moment(-4000, -60)
		if f.chance(30) {
			previous = asynqpb.Timestamp{Seconds: -62135596800} // Go's zero time: never
		}
		f.add(key, asynqpb.SchedulerEntry, map[string]any{
			"id": id, "spec": pick(f.rng, []string{"@every 30s", "0 9 * * 1-5", "TZ=Europe/Berlin 0 0 1 1 *"}),
			"task_type": pick(f.rng, types), "task_payload": f.payload(), "enqueue_options": f.options(),
			"next_enqueue_time": f.moment(60, 90_000), "prev_enqueue_time": previous,
		}, "LPUSH")
		f.history(id)
	}
}

// options are printed options that asynq reads back.
func (f *filling) options() []string {
	var some []string
	for _, option := range []string{`Queue("low")`, "MaxRetry(3)", "Timeout(1m30s)", "Unique(10m0s)", "ProcessIn(5s)", "Retention(24h0m0s)"} {
		if f.chance(30) {
			some = append(some, option)
		}
	}
	return some
}

// history writes what an entry has enqueued.
func (f *filling) history(entry string) {
	key := "asynq:scheduler_history:" + entry
	for i := range f.between(0, 80) {
		at := asynqpb.Timestamp{Seconds: f.now - int64(100*i) - 60, Nanos: int32(f.rng.IntN(1e9))}
		f.add(key, asynqpb.SchedulerEnqueueEvent, map[string]any{"task_id": f.uuid(), "enqueue_time": at}, "ZADD", at.Seconds)
	}
}
