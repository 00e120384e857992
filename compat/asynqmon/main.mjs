// Opens every page of the real asynqmon on a Redis that only rasynq has filled, clicks every action, and
// checks what is shown and what is done with the inspector of rasynq. See README.md.
import { parseArgs } from "node:util";
import { actions } from "./src/actions.mjs";
import { Monitor, openBrowser } from "./src/browser.mjs";
import { fill } from "./src/fill.mjs";
import { metrics } from "./src/metrics.mjs";
import { pages } from "./src/pages.mjs";
import { Peer, Redis, startAsynqmon, startPrometheus } from "./src/processes.mjs";
import { Report } from "./src/report.mjs";

const { values: options } = parseArgs({
  options: Object.fromEntries(["peer", "operator", "asynqmon", "redis-server", "chromium", "prometheus", "rasynq", "screenshots"].map((name) => [name, { type: "string" }])),
});
const LIMIT_MINUTES = 8;
setTimeout(() => {
  console.log(`not finished in ${LIMIT_MINUTES} minutes`);
  process.exit(1);
}, LIMIT_MINUTES * 60_000).unref();

const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
let begin = Date.now();
const redis = await Redis.start(options["redis-server"]);
const worker = new Peer("worker", options.peer, redis.uri);
const operator = new Peer("operator", options.operator ?? options.peer, redis.uri);
const [filled, browser, address] = await Promise.all([
  fill(redis, worker, operator),
  openBrowser(options.chromium),
  startAsynqmon(options.asynqmon, redis.uri),
]);
console.log(`filled and started in ${seconds(begin)}`);

begin = Date.now();
const monitor = await Monitor.open(browser, address);
const report = new Report(monitor, options.screenshots);
await pages(report, monitor, operator, filled);
if (options.prometheus) {
  const prometheus = await startPrometheus(options.prometheus, options.rasynq, redis.uri);
  report.monitor = await Monitor.open(browser, await startAsynqmon(options.asynqmon, redis.uri, prometheus));
  await metrics(report, operator);
  report.monitor = monitor;
}
await actions(report, monitor, operator);
await browser.close();
console.log(`pages and actions in ${seconds(begin)}; screenshots in ${options.screenshots}`);
console.log(`${report.passed} passed, ${report.failed} failed`);
process.exit(report.failed > 0 ? 1 : 0);
