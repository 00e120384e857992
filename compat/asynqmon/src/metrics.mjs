// The page of metrics, with a Prometheus that reads `rasynq metrics`.
import { becomes, until } from "./wait.mjs";

const CHARTS = [
  "Tasks Processed", "Tasks Failed", "Error Rate", "Queue Size", "Queue Latency", "Queue Memory Usage (approx)",
  "Pending Tasks", "Retry Tasks", "Archived Tasks",
];
/** The members of asynqmon's answer, and what the inspector calls them. */
const FIGURES = { queue_size: "size", pending_tasks_by_queue: "pending", retry_tasks_by_queue: "retry", archived_tasks_by_queue: "archived" };

export async function metrics(report, operator) {
  const { monitor } = report;
  const { page } = monitor;

  await report.step("the page of metrics draws every series that asynqmon asks for", async () => {
    await monitor.go("/");
    await page.getByText("Metrics", { exact: true }).click();
    for (const title of CHARTS) await monitor.shows(title);
    const told = await operator.inspect("queue_info", { queue: "mail" });
    const latest = async () => {
      const answer = await page.evaluate(async () => (await fetch(`/api/metrics?duration=3600&endtime=${Math.ceil(Date.now() / 1000)}`)).json());
      return Object.fromEntries(Object.keys(FIGURES).map((name) => {
        const series = answer[name].data.result.find((one) => one.metric.queue === "mail");
        return [name, Number(series?.values.at(-1)[1])];
      }));
    };
    const expected = Object.fromEntries(Object.entries(FIGURES).map(([name, figure]) => [name, told[figure]]));
    await becomes("the figures of the queue mail", latest, expected);
    await until("every chart has a line for each queue", async () => {
      await page.reload();
      await monitor.shows(CHARTS.at(-1));
      await page.waitForTimeout(500);
      return (await page.locator(".recharts-legend-item-text", { hasText: /^mail$/ }).count()) === CHARTS.length;
    });
    await report.picture("metrics");
  });
}
