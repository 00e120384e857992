// Every action of asynqmon: clicked in the page, and its effect checked with the inspector of rasynq.
import { GROUP, STATES_OF_VERB, TASKS_PER_STATE, VERB_QUEUES } from "./fill.mjs";
import { counts } from "./pages.mjs";
import { becomes, same, until } from "./wait.mjs";

/** Where a task is after a verb. A cancelled run fails with "context canceled", so that it is tried again. */
const AFTER = { Delete: "gone", Archive: "archived", Run: "pending", Cancel: "retry" };

export async function actions(report, monitor, operator) {
  const { page } = monitor;
  const stateOf = (queue) => async (task) => {
    const found = await operator.inspect("task_info", { queue, task }).catch((error) => {
      if (error.kind !== "task_not_found") throw error;
      return { state: "gone" };
    });
    return found.state;
  };

  await report.step("resume and pause stop and start a queue", async () => {
    await monitor.go("/");
    for (const [title, paused] of [["Resume", false], ["Pause", true]]) {
      await monitor.clickInRow(monitor.row("newsletter"), title);
      await becomes(`newsletter after ${title}`, async () => (await operator.inspect("queue_info", { queue: "newsletter" })).paused ?? false, paused);
      await until(`the row shows it`, async () => (await monitor.row("newsletter").innerText()).includes(paused ? "paused" : "run"));
    }
  });

  await report.step("a queue with tasks is not deleted, an empty one is", async () => {
    await monitor.clickInRow(monitor.row("newsletter"), "Delete");
    await monitor.shows("Queue is not empty");
    await report.picture("delete-queue-refused");
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("Queue is not empty").waitFor({ state: "hidden" });
    for (const button of ["Cancel", "Delete"]) {
      await monitor.clickInRow(monitor.row("empty"), "Delete");
      await monitor.shows('Are you sure you want to delete "empty"?');
      await page.getByRole("button", { name: button, exact: true }).click();
      await page.getByText('Are you sure you want to delete "empty"?').waitFor({ state: "hidden" });
      await becomes(`the queues after ${button}`, async () => (await operator.inspect("queues")).includes("empty"), button === "Cancel");
    }
    await until("no row of the queue", async () => (await monitor.row("empty").count()) === 0);
    same("the other queue", (await operator.inspect("queues")).includes("newsletter"), true);
  });

  for (const [verb, queue] of Object.entries(VERB_QUEUES)) {
    const state = stateOf(queue);
    const after = AFTER[verb];
    for (const from of STATES_OF_VERB[verb]) {
      const label = `${from} tasks table`;
      const group = from === "aggregating" ? GROUP : undefined;
      const ids = [...Array(TASKS_PER_STATE).keys()].map((i) => `${from}${i}`);
      const [one, second, third, ...rest] = ids;
      const states = () => Promise.all(ids.map(state));
      const left = async (remaining) => {
        if (verb === "Cancel") return; // the rows stay until the next reading
        await becomes("the rows that are left", async () => (await monitor.rows(label)).map((row) => row[1]).sort(), remaining);
      };

      await report.step(`${verb} of one ${from} task`, async () => {
        if (from === STATES_OF_VERB[verb][0]) await monitor.go(`/queues/${queue}`);
        await monitor.openState(from, group);
        await monitor.rowsOnce(label, ids.length);
        await monitor.clickInRow(monitor.row(one), verb);
        await becomes("the tasks", states, [after, ...Array(4).fill(from)]);
        await left([second, third, ...rest]);
      });

      await report.step(`${verb} of selected ${from} tasks`, async () => {
        if (verb === "Delete") {
          // All are selected, and the others are taken out again.
          await page.locator('input[aria-label="select all tasks shown in the table"]').check();
          for (const id of rest) await monitor.row(id).locator("input[type=checkbox]").uncheck();
        } else {
          for (const id of [second, third]) await monitor.row(id).locator("input[type=checkbox]").check();
        }
        const icons = page.locator('button[aria-label="actions"]').locator("xpath=following-sibling::div");
        if (from === "retry") await report.picture(`selected-${verb.toLowerCase()}`);
        await monitor.clickTitled(icons, verb);
        await becomes("the tasks", states, [after, after, after, ...rest.map(() => from)]);
        await left(rest);
      });

      await report.step(`${verb} of all ${from} tasks`, async () => {
        await monitor.clickForAll(`${verb} All`);
        await becomes("the tasks", states, ids.map(() => after));
        await left([]);
      });
    }

    await report.step(`the page of the queue shows the counts after every ${verb}`, async () => {
      await monitor.go(`/queues/${queue}`);
      const told = await operator.inspect("queue_info", { queue });
      await counts(monitor, told);
      same("what is left in the states", STATES_OF_VERB[verb].map((from) => told[from] ?? 0), STATES_OF_VERB[verb].map(() => 0));
      await report.picture(`after-${verb.toLowerCase()}`);
    });
  }

  await report.step("a cancelled run has failed with the end of its context", async () => {
    const failed = await operator.inspect("list", { queue: VERB_QUEUES.Cancel, state: "retry" });
    const errors = failed.filter((task) => task.id.startsWith("active")).map((task) => task.last_err);
    same("the errors", errors, Array(TASKS_PER_STATE).fill("context canceled"));
  });
}
