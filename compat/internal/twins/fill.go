package twins

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"rasynq/compat/internal/asynqpb"
)

const (
	day = 24 * 3600
	// damaged is the queue whose keys contradict each other.
	damaged = "damaged"
	// unlisted has tasks, but is not in the set of queues.
	unlisted = "unlisted"
	// ghosts is a queue with ids that have no task.
	ghosts = "ghosts"
	// empty is in the set of queues, and has nothing else.
	empty = "empty"
)

// queues are the queues that are filled, and their shares of the tasks.
var queues = []struct {
	name   string
	share  int
	paused bool
}{
	{"default", 40, false}, {"critical", 20, false}, {"low", 15, true}, {"odd: {q} *?", 12, false}, {damaged, 6, false}, {unlisted, 4, false}, {ghosts, 3, false},
}

// queueNames are the queues that are asked about: those that are listed, that are not,
// that are empty, and that cannot exist.
func (c *comparison) queueNames() ([]string, error) {
	names, err := c.one.Redis.SMembers(c.ctx, "asynq:queues").Result()
	if err != nil {
		return nil, err
	}
	all := map[string]bool{empty: true, "missing": true, " ": true}
	for _, name := range names {
		all[name] = true
	}
	for _, q := range queues {
		all[q.name] = true
	}
	return sorted(all), nil
}

var (
	// states, as often as they shall occur
	states     = []string{"pending", "pending", "pending", "active", "scheduled", "scheduled", "retry", "retry", "archived", "archived", "completed", "completed", "aggregating", "aggregating"}
	types      = []string{"email:send", "email:digest", "image:resize", "größe:ändern", "report"}
	groupNames = []string{"g", "a:b", "grüppe", "user/7"}
)

// filling writes the tasks of a keyspace.
type filling struct {
	*comparison
	pipe redis.Pipeliner
	now  int64
	next int // the number of the next task
}

// fill writes the same keyspace into both databases. What the peers have written into
// them before stays.
func (c *comparison) fill() error {
	t, err := c.one.Redis.Time(c.ctx).Result()
	if err != nil {
		return err
	}
	if err := c.merge(); err != nil {
		return err
	}
	f := &filling{comparison: c, pipe: c.one.Redis.Pipeline(), now: t.Unix()}
	f.do("SADD", "asynq:queues", empty)
	for _, q := range queues {
		f.queue(q.name, c.Tasks*q.share/100, q.paused)
	}
	f.rivals()
	f.damage()
	f.ghosts()
	f.fleet()
	if _, err := f.pipe.Exec(c.ctx); err != nil {
		return err
	}
	return c.copyDB(c.one.DB, c.other.DB)
}

// merge adds what the other peer has written to the first database. The queues of the
// peers have different names.
func (c *comparison) merge() error {
	names, err := c.other.Redis.SMembers(c.ctx, "asynq:queues").Result()
	if err != nil {
		return err
	}
	const script = `
redis.call("SELECT", ARGV[1])
for _, key in ipairs(redis.call("KEYS", "asynq:{*")) do
	redis.call("COPY", key, key, "DB", ARGV[2])
end
return 0`
	if err := c.other.Redis.Eval(c.ctx, script, nil, c.other.DB, c.one.DB).Err(); err != nil {
		return err
	}
	for _, name := range names {
		if err := c.one.Redis.SAdd(c.ctx, "asynq:queues", name).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) do(words ...any) { f.pipe.Do(f.ctx, words...) }

func prefix(queue string) string { return "asynq:{" + queue + "}:" }

func (f *filling) queue(name string, tasks int, paused bool) {
	key := prefix(name)
	if name != unlisted {
		f.do("SADD", "asynq:queues", name)
	}
	if paused {
		f.do("SET", key+"paused", f.now-60)
	}
	for range tasks {
		f.task(name, pick(f.rng, states))
	}
	set := key + "g:g:" + f.uuid()
	for range 3 {
		t := f.newTask(name, "aggregating")
		t.hash["group"], t.message["group_key"] = "g", "g"
		f.store(t)
		f.do("ZADD", set, f.now-30, t.id)
	}
	f.do("ZADD", key+"aggregation_sets", f.now+100, set)
	f.counters(key)
}

// counters writes the totals, and those of some days.
func (f *filling) counters(key string) {
	f.do("SET", key+"processed", f.between(0, 1_000_000))
	if f.chance(80) {
		f.do("SET", key+"failed", f.between(0, 1_000))
	}
	for ago := range 100 {
		if ago > 1 && f.chance(70) {
			continue
		}
		date := time.Unix(f.now-int64(ago)*day, 0).UTC().Format("2006-01-02")
		f.do("SET", key+"processed:"+date, f.between(1, 5_000), "EX", 90*day)
		if f.chance(50) {
			f.do("SET", key+"failed:"+date, f.between(1, 50), "EX", 90*day)
		}
	}
}

// task is a task before it is written.
type task struct {
	queue, id string
	message   map[string]any
	hash      map[string]any // without the message
}

func (f *filling) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(f.rng.UintN(256))
	}
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-8" + x[17:20] + "-" + x[20:]
}

// newTask makes a task that is in no place yet.
func (f *filling) newTask(queue, state string) *task {
	f.next++
	id := f.uuid()
	if f.chance(10) {
		id = fmt.Sprintf("%s-%d", pick(f.rng, []string{"a/b", "x:y", "Größe 1", "{id}"}), f.next)
	}
	t := &task{queue: queue, id: id, hash: map[string]any{"state": state}}
	t.message = map[string]any{
		"id": id, "queue": queue, "type": pick(f.rng, types), "payload": f.payload(),
		"retry": int64(pick(f.rng, []int{0, 1, 25, 25, 1000})), "timeout": int64(pick(f.rng, []int{0, 30, 1800, 1800, day})),
	}
	if f.chance(20) {
		t.message["deadline"] = f.now + int64(f.between(-3600, 7200))
	}
	if f.chance(25) {
		t.message["headers"] = map[string]string{"trace": f.uuid(), "größe": "ü"}
	}
	if f.chance(20) {
		f.lock(t)
	}
	return t
}

func (f *filling) payload() []byte {
	switch f.rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return []byte{0xff, 0x00, byte(f.rng.UintN(256))}
	case 2:
		text := make([]byte, f.between(100, 3000))
		for i := range text {
			text[i] = 'a' + byte(f.rng.UintN(26))
		}
		return text
	case 3:
		return fmt.Appendf(nil, `{"user":{"id":%d,"name":"Jürgen"}}`, f.rng.IntN(50))
	}
	return fmt.Appendf(nil, "text %d", f.rng.IntN(1000))
}

// lock makes the task a unique one. Most hold their lock; some have lost it to another
// task, or to its TTL.
func (f *filling) lock(t *task) {
	key := lockKey(t.queue, t.message["type"], t.message["payload"].([]byte))
	t.message["unique_key"], t.hash["unique_key"] = key, key
	switch n := f.rng.IntN(10); {
	case n < 7:
		f.do("SET", key, t.id, "EX", f.between(600, 7200))
	case n < 9:
		f.do("SET", key, "another task", "EX", 3600)
	}
}

// task writes a task in one state.
func (f *filling) task(queue, state string) {
	t, key := f.newTask(queue, state), prefix(queue)
	switch state {
	case "pending":
		if f.chance(80) {
			t.hash["pending_since"] = (f.now-int64(f.between(10, 5000)))*1e9 + int64(f.rng.IntN(1e9))
		}
		f.do("LPUSH", key+"pending", t.id)
	case "active":
		if f.chance(30) {
			t.hash["result"] = "half"
		}
		lease := 2000 // far enough to last for the whole comparison
		if f.chance(30) {
			lease = -60
		}
		f.do("LPUSH", key+"active", t.id)
		f.do("ZADD", key+"lease", f.now+int64(lease), t.id)
	case "scheduled":
		f.do("ZADD", key+state, f.now+pick(f.rng, []int64{600, 600, -30, int64(f.between(1000, 40*day))}), t.id)
	case "retry":
		f.failed(t)
		f.do("ZADD", key+state, f.now+int64(f.between(-30, 20*day)), t.id)
	case "archived":
		f.failed(t)
		age := f.between(100, 85*day)
		if f.chance(10) {
			age = f.between(95*day, 200*day) // more than the archive keeps
		}
		f.do("ZADD", key+state, f.now-int64(age), t.id)
	case "completed":
		kept := int64(f.between(60, 3*day))
		done := f.now - int64(f.between(100, 3600))
		t.message["retention"], t.message["completed_at"] = kept, done
		if f.chance(50) {
			t.hash["result"] = pick(f.rng, []string{"done", `{"n":1}`, "\xff\x00"})
		}
		f.do("ZADD", key+state, done+kept, t.id)
	case "aggregating":
		group := pick(f.rng, groupNames)
		t.hash["group"], t.message["group_key"] = group, group
		if f.chance(30) {
			delete(t.hash, "unique_key") // as Go's client writes it
		}
		f.do("SADD", key+"groups", group)
		f.do("ZADD", key+"g:"+group, f.now-int64(f.between(1, 600)), t.id)
	}
	f.store(t)
}

// failed gives a task the traces of a failed run.
func (f *filling) failed(t *task) {
	t.message["retried"] = int64(f.rng.IntN(int(t.message["retry"].(int64)) + 1))
	t.message["error_msg"] = pick(f.rng, []string{"", "boom", "größer Fehler", "asynq: task lease expired"})
	t.message["last_failed_at"] = f.now - int64(f.between(100, 50_000))
}

// store writes the hash of a task.
func (f *filling) store(t *task) {
	raw, err := asynqpb.Encode(asynqpb.TaskMessage, t.message)
	if err != nil {
		panic(err) // a defect of this file
	}
	words := []any{"HSET", prefix(t.queue) + "t:" + t.id, "msg", raw}
	for _, field := range sorted(t.hash) {
		words = append(words, field, fmt.Sprint(t.hash[field]))
	}
	f.do(words...)
}

// damage adds to the damaged queue what crashes and defects leave behind.
func (f *filling) damage() {
	key := prefix(damaged)
	for i := range 3 {
		n := strconv.Itoa(i)
		// hashes without a place
		for _, state := range []string{"pending", "scheduled", "archived", "aggregating"} {
			f.store(f.newTask(damaged, state))
		}
		// messages that do not decode
		f.do("HSET", key+"t:undecodable-p"+n, "msg", "\xff\xff\x00", "state", "pending")
		f.do("LPUSH", key+"pending", "undecodable-p"+n)
		f.do("HSET", key+"t:undecodable-r"+n, "msg", "\xff\xff\x00", "state", "retry")
		f.do("ZADD", key+"retry", f.now+600, "undecodable-r"+n)
		// active without a lease
		t := f.newTask(damaged, "active")
		f.store(t)
		f.do("LPUSH", key+"active", t.id)
		// a lease without an active task
		f.do("ZADD", key+"lease", f.now-60, "lease-"+n)
	}
	placeless := f.newTask(damaged, "retry")
	placeless.id, placeless.message["id"] = "placeless", "placeless"
	f.store(placeless)
	// a group without tasks
	f.do("SADD", key+"groups", "nobody")
	// a state that is not that of the place
	t := f.newTask(damaged, "retry")
	f.store(t)
	f.do("ZADD", key+"scheduled", f.now+60, t.id)
}

// ghosts adds ids that have no task.
func (f *filling) ghosts() {
	key := prefix(ghosts)
	f.do("LPUSH", key+"pending", "ghost-1", "ghost-2")
	for i, set := range []string{"scheduled", "retry", "archived", "completed", "g:g"} {
		f.do("ZADD", key+set, f.now-300, fmt.Sprintf("ghost-%d", 3+i))
	}
	f.do("SADD", key+"groups", "g")
}

// rivals adds two unique scheduled tasks of the same type, which hold their locks.
func (f *filling) rivals() {
	for _, payload := range []string{"one", "two"} {
		t := f.newTask("default", "scheduled")
		t.id = "rival-" + payload
		t.message["id"], t.message["type"], t.message["payload"] = t.id, "rivals", []byte(payload)
		key := lockKey(t.queue, t.message["type"], []byte(payload))
		t.message["unique_key"], t.hash["unique_key"] = key, key
		f.do("SET", key, t.id, "EX", 3600)
		f.do("ZADD", prefix(t.queue)+"scheduled", f.now+3600, t.id)
		f.store(t)
	}
}
