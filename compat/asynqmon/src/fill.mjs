// Fills the Redis through the Rust peer: every state, several queues, groups, servers, schedulers, history.
import { until } from "./wait.mjs";

/** A queue for each verb of asynqmon. In each, every state has tasks that the clicks of this verb reach. */
export const VERB_QUEUES = { Delete: "to-delete", Archive: "to-archive", Run: "to-run", Cancel: "to-cancel" };
export const STATES = ["active", "pending", "aggregating", "scheduled", "retry", "archived", "completed"];
/** The states in which asynqmon offers a verb. */
export const STATES_OF_VERB = {
  Delete: ["pending", "aggregating", "scheduled", "retry", "archived", "completed"],
  Archive: ["pending", "aggregating", "scheduled", "retry"],
  Run: ["aggregating", "scheduled", "retry", "archived"],
  Cancel: ["active"],
};
/** Of each verb and state: one task for a click in its row, two for a selection, two for all the rest. */
export const TASKS_PER_STATE = 5;
/** The group of the aggregating tasks in the queues of the verbs. */
export const GROUP = "team";

const REPORT = { type: "report:build", payload: { utf8: '{"month":"2026-05","pages":[1,2,3]}' } };
const PAYLOADS = [
  { utf8: '{"user":{"id":42,"name":"Zoë"},"items":["a","b"]}' },
  { utf8: "plain text, with <b>marks</b> & ümlauts" },
  { b64: "AP8QgA==" },
  { utf8: "" },
  { utf8: "[1,2.5,null,true]" },
];
const FAIL = [{ return: { error: "connection refused: mail.example:25" } }];
const LONG = [{ result: { utf8: '{"done":"half"}' } }, { await_end: "10m" }];

const HANDLERS = {
  "mail:ok": { attempts: [[{ result: { utf8: '{"sent":true}' } }]] },
  "mail:bad": { attempts: [FAIL] },
  "mail:panic": { attempts: [[{ panic: "no template \"welcome\"" }]] },
  "report:": { attempts: [LONG] },
  "cron:": { attempts: [[{ return: "ok" }]] },
};
const SOON = { task_check_interval: "20ms", delayed_task_check_interval: "1s", retry_delay: "1h", shutdown_timeout: "1s" };

const range = (n) => [...Array(n).keys()];

/** Fills everything. Returns what the checks must know and the inspector does not tell. */
export async function fill(redis, worker, operator) {
  const enqueue = (queue, task, ...opts) => worker.ask("enqueue", { task, opts: [{ queue }, ...opts] });
  const verbQueues = Object.values(VERB_QUEUES);
  const info = (queue) => operator.inspect("queue_info", { queue });
  const sizes = (queue, expected) =>
    until(`the queue ${queue} has ${JSON.stringify(expected)}`, async () => {
      const found = await info(queue).catch(() => ({}));
      return Object.entries(expected).every(([name, value]) => found[name] === value);
    });

  // What has run. A server that looks after the queues of the verbs is shut down again, so that what is
  // run by a click stays pending.
  for (const queue of ["mail", ...verbQueues]) {
    const ids = (state) => (i) => (queue === "mail" ? [] : [{ task_id: `${state}${i}` }]);
    for (const i of range(TASKS_PER_STATE)) {
      const payload = PAYLOADS[i % PAYLOADS.length];
      await enqueue(queue, { type: "mail:ok", payload }, { retention: "2h" }, ...ids("completed")(i));
      await enqueue(queue, { type: "mail:bad", payload }, { max_retry: 3 }, ...ids("retry")(i));
      await enqueue(queue, { type: i === 3 ? "mail:panic" : "mail:bad", payload }, { max_retry: 0 }, ...ids("archived")(i));
    }
  }
  await enqueue("empty", { type: "mail:ok" });
  const processing = { concurrency: 8, queues: Object.fromEntries(["mail", "empty", ...verbQueues].map((q) => [q, 1])), ...SOON };
  await worker.ask("serve", { name: "filler", config: processing, handlers: HANDLERS, events: false });
  for (const queue of ["mail", ...verbQueues]) {
    await sizes(queue, { completed: TASKS_PER_STATE, retry: TASKS_PER_STATE, archived: TASKS_PER_STATE });
  }
  await sizes("empty", { size: 0, processed: 1 });
  await worker.ask("shutdown", { name: "filler" });

  // What runs, and what waits behind it.
  for (const i of range(3)) await enqueue("mail", REPORT, { timeout: "20m" }, ...(i ? [] : [{ header: ["trace", "t-1"] }]));
  for (const i of range(TASKS_PER_STATE)) await enqueue(VERB_QUEUES.Cancel, REPORT, { task_id: `active${i}` });
  const servers = [
    ["mailers", { concurrency: 3, queues: { mail: 6, newsletter: 3 }, ...SOON }],
    ["reporters", { concurrency: TASKS_PER_STATE, queues: { [VERB_QUEUES.Cancel]: 1 }, ...SOON }],
    ["timers", { concurrency: 2, queues: { cron: 2, critical: 7 }, strict: true, ...SOON }],
  ];
  for (const [name, config] of servers) await worker.ask("serve", { name, config, handlers: HANDLERS, events: false });
  await sizes("mail", { active: 3 });
  await sizes(VERB_QUEUES.Cancel, { active: TASKS_PER_STATE });

  for (const queue of ["mail", "to-delete", "to-archive", "to-run"]) {
    const many = queue === "mail" ? 45 : TASKS_PER_STATE;
    for (const i of range(many)) {
      const id = queue === "mail" ? [] : [{ task_id: `pending${i}` }];
      await enqueue(queue, { type: "mail:ok", payload: PAYLOADS[i % PAYLOADS.length] }, { max_retry: i }, ...id);
    }
    for (const i of range(TASKS_PER_STATE)) {
      const payload = PAYLOADS[i % PAYLOADS.length];
      const id = (state) => (queue === "mail" ? [] : [{ task_id: `${state}${i}` }]);
      await enqueue(queue, { type: "mail:ok", payload }, { process_in: `${i + 1}h` }, { unique: "9h" }, ...id("scheduled"));
      await enqueue(queue, { type: "mail:ok", payload }, { group: GROUP }, ...id("aggregating"));
    }
  }
  await enqueue("mail", { type: "mail:ok" }, { group: "other team" });
  await enqueue("newsletter", { type: "mail:ok", payload: PAYLOADS[0] });
  await operator.inspect("pause_queue", { queue: "newsletter" });
  await enqueue("newsletter", { type: "mail:ok", payload: PAYLOADS[1] });

  await enqueue("critical", { type: "cron:check" });
  const entries = await schedule(worker);
  await countEarlierDays(redis);
  await until("each server has told its active workers", async () => {
    const told = await operator.inspect("servers");
    return told.length === servers.length && told.reduce((n, server) => n + server.active.length, 0) === 3 + TASKS_PER_STATE;
  });
  return { entries };
}

/** One entry that has fired several times, and two that wait; one of them has every option. */
async function schedule(worker) {
  await worker.ask("scheduler", { name: "crontab", location: "Europe/Berlin", heartbeat_interval: "1s" });
  const register = async (spec, task, opts) =>
    (await worker.ask("register", { name: "crontab", spec, task, opts })).entry;
  const entries = {
    often: await register("@every 1s", { type: "cron:tick" }, [{ queue: "cron" }]),
    daily: await register("30 4 * * *", { type: "cron:report", payload: { utf8: '{"kind":"daily"}' } }, [{ queue: "cron" }]),
    yearly: await register("0 12 29 2 *", { type: "cron:leap", payload: { utf8: "leap" } }, [
      { queue: "critical" }, { max_retry: 3 }, { timeout: "90s" }, { deadline: 4102444800 }, { unique: "10m" },
      { retention: "48h" }, { task_id: "leap day" }, { group: "leaps" },
    ]),
  };
  await until("the entry has fired five times", () =>
    worker.events.filter((event) => event.event === "enqueued" && event.entry === entries.often).length >= 5);
  return entries;
}

/**
 * No program can write the counters of earlier days today. So these are copies of the ones that the Rust
 * server has written today.
 */
async function countEarlierDays(redis) {
  const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  for (const ago of [1, 2, 3, 5, 8, 20, 60, 89]) {
    for (const [queue, counter] of [["mail", "processed"], ["mail", "failed"], ["to-run", "processed"]]) {
      const key = `asynq:{${queue}}:${counter}:`;
      await redis.command("COPY", key + day(0), key + day(ago));
    }
  }
}
