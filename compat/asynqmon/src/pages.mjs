// Every page of asynqmon: what it shows must be what the inspector of rasynq says.
import { GROUP, STATES } from "./fill.mjs";
import { means } from "./times.mjs";
import { becomes, same, until } from "./wait.mjs";

const squeezed = (text) => text.replace(/\s+/g, "");
const percent = (part, all) => (all ? `${((part / all) * 100).toFixed(2)} %` : "0.00%");

/** asynqmon shows bytes that are not printable text with these words. */
export function payloadText(bytes) {
  if (bytes?.utf8) {
    try {
      return JSON.stringify(JSON.parse(bytes.utf8));
    } catch {
      return bytes.utf8;
    }
  }
  return "non-printable bytes";
}

export async function pages(report, monitor, operator, filled) {
  const { page } = monitor;
  const info = (queue) => operator.inspect("queue_info", { queue });
  const list = (queue, state, more = {}) => operator.inspect("list", { queue, state, page_size: 100, ...more });

  await report.step("the page of queues shows each queue with its true numbers", async () => {
    await monitor.go("/");
    const names = (await operator.inspect("queues")).sort();
    const rows = await monitor.rowsOnce("queues overview table", names.length);
    same("names of the queues", rows.map((row) => row[0]), names);
    for (const [name, state, size, memory, latency, processed, failed, rate] of rows) {
      if (name === "cron") continue; // its numbers change every second
      const told = await info(name);
      const expected = [told.paused ? "paused" : "run", String(told.size ?? 0), String(told.processed ?? 0), String(told.failed ?? 0), percent(told.failed ?? 0, told.processed)];
      same(`the row of ${name}`, [state, size, processed, failed, rate], expected);
      if (!/^[\d.]+ k?B$/.test(memory)) throw new Error(`the memory of ${name} is ${memory}`);
      if (name !== "empty" && told.size && memory === "0 B") throw new Error(`${name} has tasks and no memory`);
      if (!/^[\d.]+(s|ms|µs)$|^\d+m[\d.]+s$/.test(latency)) throw new Error(`the latency of ${name} is ${latency}`);
      if (told.pending && latency === "0s") throw new Error(`${name} has pending tasks and no latency`);
    }
    await until("the chart of sizes has bars", async () => (await page.locator(".recharts-bar-rectangle path").count()) > 5);
    await report.picture("queues");
  });

  await report.step("the charts of processed tasks show the history, for each choice of days", async () => {
    const choose = async (label) => {
      await page.locator('button[aria-label="select option"]').click();
      await page.locator("#split-button-menu").getByRole("menuitem", { name: label }).click();
    };
    await choose("Today");
    await until("bars of today", async () => (await page.locator(".recharts-bar").count()) >= 2);
    await report.picture("queues-today");
    for (const label of ["Last 90d", "Last 30d", "Last 7d"]) {
      await choose(label);
      await until(`a line of ${label}`, async () => (await page.locator(".recharts-line-curve").count()) >= 1);
      if (label === "Last 90d") await report.picture("queues-90-days");
    }
    const { stats } = await page.evaluate(async () => (await fetch("/api/queue_stats")).json());
    for (const queue of ["mail", "to-run"]) {
      const expected = await operator.inspect("history", { queue, n: 90 });
      same(`the history of ${queue}`,
        stats[queue].map((day) => [day.date.slice(0, 10), day.processed, day.failed]),
        expected.map((day) => [day.date, day.processed ?? 0, day.failed ?? 0]));
      if (expected.filter((day) => day.processed).length < 9) throw new Error("the history has fewer days than were counted");
    }
  });

  await report.step("a click on a heading sorts the queues", async () => {
    const sizes = async () => (await monitor.rows("queues overview table")).map((row) => Number(row[2]));
    for (const order of [(a, b) => a - b, (a, b) => b - a]) {
      await page.locator('table[aria-label="queues overview table"]').getByText("Size", { exact: true }).click();
      await until("the queues are sorted by size", async () => {
        const seen = await sizes();
        return JSON.stringify(seen) === JSON.stringify([...seen].sort(order));
      });
    }
    for (const heading of ["State", "Memory usage", "Latency", "Processed", "Failed", "Error rate", "Queue"]) {
      await page.locator('table[aria-label="queues overview table"]').getByText(heading, { exact: true }).click();
    }
  });

  await report.step("the queue's page shows its numbers, and a count for each state", async () => {
    await monitor.row("mail").getByRole("link", { name: "mail" }).click();
    const told = await info("mail");
    await monitor.shows("Queue size");
    await counts(monitor, told);
    const rate = percent(told.failed, told.processed);
    await showsAll(monitor.main, ["Queue name mail", "Queue state run", `Queue size ${told.size}`, "Task groups 2", `Processed ${told.processed}`, `Failed ${told.failed}`, `Error rate ${rate}`]);
  });

  for (const state of STATES) {
    await report.step(`the tab of ${state} tasks shows the tasks that the inspector lists`, async () => {
      const group = state === "aggregating" ? GROUP : undefined;
      await monitor.openState(state, group);
      const tasks = (await list("mail", state, { group })).slice(0, 20);
      if (tasks.length === 0) throw new Error(`no ${state} task was written`);
      const rows = await monitor.rowsOnce(`${state} tasks table`, tasks.length);
      rows.forEach((row, i) => checkRow(state, row.slice(1, -1), tasks[i]));
      await report.picture(`tasks-${state}`);
    });
  }

  await report.step("every task can be reached by paging", async () => {
    await monitor.openState("pending");
    const expected = (await list("mail", "pending")).map((task) => task.id.split("-")[0]);
    const shown = async (count) => (await monitor.rowsOnce("pending tasks table", count)).map((row) => row[1]);
    const turn = async (label, from, to) => {
      await page.locator(`button[aria-label="${label} page"]`).click();
      await becomes(`the ${label} page`, () => shown(to - from), expected.slice(from, to));
    };
    await turn("next", 20, 40);
    await turn("last", 40, 45);
    await turn("previous", 20, 40);
    await turn("first", 0, 20);
    await page.locator('select[aria-label="rows per page"]').selectOption("60");
    await becomes("a page of 60", () => shown(45), expected);
    await page.locator('select[aria-label="rows per page"]').selectOption("20");
    await shown(20);
  });

  for (const state of STATES) {
    await report.step(`the details of one ${state} task are true`, async () => {
      const group = state === "aggregating" ? GROUP : undefined;
      const [task] = await list("mail", state, { group });
      if (!page.url().includes("/queues/mail?")) await monitor.go("/queues/mail?status=active");
      await monitor.openState(state, group);
      if (state === "pending") {
        // The search finds a task by its id.
        await page.getByPlaceholder("Search by ID").fill(task.id);
        await page.getByPlaceholder("Search by ID").press("Enter");
      } else {
        await monitor.row(task.id.split("-")[0]).locator("td").nth(1).click();
      }
      await monitor.shows("Task Info");
      await monitor.shows(`task:${task.id}`);
      await checkDetails(monitor, await operator.inspect("task_info", { queue: "mail", task: task.id }));
      await report.picture(`task-${state}`);
      await page.getByRole("button", { name: "Go Back" }).click();
      await monitor.shows("Queue size");
    });
  }

  await report.step("a task that does not exist is told as not found", async () => {
    await monitor.go("/queues/mail/tasks/nobody");
    await monitor.shows(/not found/);
    same("answers that are errors", [...new Set(monitor.problems)], ["GET /api/queues/mail/tasks/nobody: 404"]);
    monitor.problems = [];
    await report.picture("task-not-found");
  });

  await report.step("the menu of the breadcrumb leads to another queue", async () => {
    await monitor.go("/queues/mail");
    await page.locator('nav[aria-label="breadcrumb"] .MuiChip-deleteIcon').click();
    await page.locator("#queue-breadcrumb-menu").getByRole("menuitem", { name: "newsletter" }).click();
    await until("the page of the other queue", () => new URL(page.url()).pathname === "/queues/newsletter");
    await counts(monitor, await info("newsletter"));
    await page.locator('nav[aria-label="breadcrumb"]').getByText("Queues").click();
    await monitor.shows("Tasks Processed");
  });

  await report.step("the page of servers shows each server with what it runs", async () => {
    await page.getByText("Servers", { exact: true }).click();
    const servers = await operator.inspect("servers");
    await until("all servers", async () => (await page.locator('button[aria-label="expand row"]').count()) === servers.length);
    for (const server of servers) {
      const row = page.locator("tbody tr", { hasText: Object.keys(server.queues)[0] }).first();
      await row.locator('button[aria-label="expand row"]').click();
      const details = row.locator("xpath=following-sibling::tr[1]");
      await details.getByText("Queue Priority").waitFor();
      const cells = await row.locator("td").allInnerTexts();
      same("host and process", cells[0].trim(), `${server.host}:${server.pid}`);
      means("the start", cells[1].trim(), "_ ago", server.started);
      same("the status", cells[2].trim(), "active");
      same("the queues", cells[3].trim().split(", ").sort(), Object.keys(server.queues).sort());
      const [running] = cells[4].trim().split("/");
      same("the concurrency", cells[4].trim(), `${running}/${server.concurrency}`);
      const workers = (server.active ?? []).filter((worker) => worker.queue !== "cron");
      await showsAll(details, [
        ...workers.flatMap((worker) => [worker.task.split("-")[0], payloadText(worker.payload), worker.queue]),
        ...Object.entries(server.queues).map(([queue, weight]) => `${queue} ${weight}`),
        `Strict Priority: ${server.strict ? "ON" : "OFF"}`,
      ]);
    }
    await report.picture("servers");
    await serverLinks(monitor, "critical");
  });

  await report.step("the page of schedulers shows each entry with its times, options and history", async () => {
    await monitor.go("/");
    await page.getByText("Schedulers", { exact: true }).click();
    const entries = await operator.inspect("scheduler_entries");
    const rows = await monitor.rowsOnce("scheduler entries table", entries.length);
    for (const entry of entries) {
      const row = rows.find((cells) => cells[0] === entry.id);
      if (!row) throw new Error(`no row of the entry ${entry.id}`);
      same("spec and type", row.slice(1, 3), [entry.spec, entry.type]);
      same("payload", squeezed(row[3]), squeezed(payloadText(entry.payload)));
      // The reader of asynq leaves out the two options that it does not know.
      same("options", row[4], entry.opts.filter((option) => !/^(TaskID|Group)\(/.test(option)).join(", "));
      if (entry.id !== filled.entries.often) {
        means("the next time", row[5], "in _", entry.next);
        same("an entry that has not fired", row[6], "N/A");
      } else if (!/^(now|in [01]s)$/.test(row[5]) || !/^\ds ago$/.test(row[6])) {
        throw new Error(`an entry that fires every second has next "${row[5]}" and previous "${row[6]}"`);
      }
    }
    await report.picture("schedulers");
    const row = page.locator("tbody tr", { hasText: filled.entries.often });
    await row.locator('button[aria-label="expand row"]').click();
    await monitor.shows("Recent History");
    await until("the history has events", async () => (await monitor.rows("scheduler enqueue events table")).length >= 5);
    const told = (await operator.inspect("enqueue_events", { entry: filled.entries.often, page_size: 100 })).map((event) => event.task);
    const shown = await monitor.rows("scheduler enqueue events table");
    for (const [ago, task] of shown) {
      if (!told.includes(task)) throw new Error(`the inspector does not know the event of ${task}`);
      if (!/ ago$/.test(ago)) throw new Error(`an event happened "${ago}"`);
    }
    await report.picture("schedulers-history");
    await page.keyboard.press("Escape");
  });

  await report.step("the page of Redis shows its information", async () => {
    await monitor.go("/");
    await page.getByText("Redis", { exact: true }).click();
    for (const text of ["Redis Info", "Used Memory", "Connected Clients", /redis_version/]) await monitor.shows(text);
    await report.picture("redis");
  });

  await report.step("the page of metrics says that it has no Prometheus", async () => {
    await monitor.go("/q/metrics");
    await monitor.shows("Realtime: 1h");
    await until("the request for metrics has failed", () => monitor.problems.length > 0);
    same("answers that are errors", [...new Set(monitor.problems)], ["GET /api/metrics: 500"]);
    monitor.problems = [];
    await report.picture("metrics-without-prometheus");
  });

  await report.step("the settings change how often the pages read, and the theme", async () => {
    await monitor.go("/settings");
    await monitor.shows("Currently: Every 8 seconds");
    await page.locator('[role="slider"]').focus();
    for (const _ of [1, 2, 3, 4, 5, 6]) await page.keyboard.press("ArrowLeft");
    await monitor.shows("Currently: Every 2 seconds");
    const background = () => page.locator("main").evaluate((main) => getComputedStyle(main).backgroundColor);
    const choose = async (theme) => {
      await page.locator("#theme-selected").click();
      await page.getByRole("option", { name: theme }).click();
    };
    const light = await background();
    await choose("Always");
    await until("a dark page", async () => (await background()) !== light);
    await report.picture("settings");
    await monitor.go("/");
    await monitor.rowsOnce("queues overview table", (await operator.inspect("queues")).length);
    await report.picture("queues-dark");
    await monitor.go("/settings");
    await choose("Never");
    await until("a light page", async () => (await background()) === light);
  });

  await report.step("an unknown address is told as such", async () => {
    await monitor.go("/nowhere");
    await monitor.shows(/404|not found/i);
    monitor.problems = [];
  });
}

/** Waits until this part of the page shows all these texts, apart from blanks. */
async function showsAll(place, texts) {
  let missing = texts;
  await until("", async () => {
    const text = squeezed(await place.innerText());
    missing = texts.filter((one) => !text.includes(squeezed(one)));
    return missing.length === 0;
  }).catch(() => {
    throw new Error(`the page does not show ${JSON.stringify(missing)}`);
  });
}

/** A queue in the row of a server is a link. */
async function serverLinks(monitor, queue) {
  await monitor.page.getByRole("link", { name: queue }).first().click();
  await until(`the page of ${queue}`, () => new URL(monitor.page.url()).pathname === `/queues/${queue}`);
}

/** The counts beside the names of the states are those that the inspector tells. */
export async function counts(monitor, told) {
  await becomes("the counts of the states",
    async () => (await monitor.page.locator(".MuiChip-root", { hasText: /\d$/ }).allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim()),
    STATES.map((state) => `${state[0].toUpperCase()}${state.slice(1)} ${told[state] ?? 0}`));
}

/** The cells of one row of a list of tasks. */
function checkRow(state, [id, type, payload, ...rest], task) {
  const what = `the ${state} task ${task.id}`;
  same(what, [id, type, squeezed(payload)], [task.id.split("-")[0], task.type, squeezed(payloadText(task.payload))]);
  const retries = [String(task.retried ?? 0), String(task.max_retry ?? 0)];
  switch (state) {
    case "active":
      same(what, rest[0], "Running");
      if (!/ ago$|^just now$/.test(rest[1])) throw new Error(`${what} started "${rest[1]}"`);
      if (!/^in \d+m\d+s$/.test(rest[2])) throw new Error(`${what} has the deadline "${rest[2]}"`);
      break;
    case "pending":
      same(what, rest, retries);
      break;
    case "aggregating":
      same(what, rest, [task.group]);
      break;
    case "scheduled":
      means(what, rest[0], "in _", task.next_process_at);
      break;
    case "retry":
      means(what, rest[0], "in _", task.next_process_at);
      same(what, rest.slice(1), [task.last_err, ...retries]);
      break;
    case "archived":
      means(what, rest[0], "_ ago", task.last_failed_at);
      same(what, rest[1], task.last_err);
      break;
    case "completed":
      means(what, rest[0], "_ ago", task.completed_at);
      same(what, squeezed(rest[1]), squeezed(payloadText(task.result)));
      means(what, rest[2], "_ left", task.completed_at + 7200);
      break;
  }
}

/** The lines of the page of one task. */
async function checkDetails(monitor, task) {
  const time = (at) => (at ? new Date(Math.floor(at) * 1000).toISOString().replace(".000Z", "Z") : "-");
  const timeout = Number(/^(\d+)m/.exec(task.timeout)?.[1] ?? 0) * 60 + Number(/(\d+)s$/.exec(task.timeout)?.[1] ?? 0);
  const lines = {
    ID: task.id,
    Type: task.type,
    State: task.state,
    Queue: task.queue,
    Retry: `${task.retried ?? 0}/${task.max_retry ?? 0}`,
    "Last Failure": task.last_failed_at ? `${task.last_err} (${time(task.last_failed_at)})` : "-",
    Timeout: timeout ? `${timeout} seconds` : "-",
    Deadline: time(task.deadline),
    Payload: payloadText(task.payload),
  };
  if (["scheduled", "retry"].includes(task.state)) lines["Next Process Time"] = time(task.next_process_at);
  if (task.state === "completed") lines.Result = payloadText(task.result);
  await showsAll(monitor.main, Object.entries(lines).map(([name, value]) => `${name}:${value}`));
}
