// Runs the steps one by one, and keeps a screenshot of each page and of each failure.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** How long one step may take. */
const STEP_MS = 45_000;

export class Report {
  passed = 0;
  failed = 0;

  constructor(monitor, directory) {
    this.monitor = monitor;
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(directory)) if (name.endsWith(".png")) rmSync(join(directory, name));
  }

  /** Keeps a picture of the page as it is. */
  async picture(name) {
    await this.monitor.page.waitForTimeout(350); // the animations of the page
    await this.monitor.page.screenshot({ path: join(this.directory, `${name}.png`) });
  }

  /** One step. `shows` is the fact that holds if it passes. A problem of the page is a failure too. */
  async step(shows, body) {
    const { monitor } = this;
    monitor.problems = [];
    try {
      await inTime(body());
      if (monitor.problems.length > 0) throw new Error(monitor.problems.join("\n"));
      this.passed += 1;
    } catch (error) {
      this.failed += 1;
      const picture = `failed-${this.failed}`;
      await monitor.page.screenshot({ path: join(this.directory, `${picture}.png`) }).catch(() => {});
      const seen = await monitor.main.innerText({ timeout: 2_000 }).catch(() => "nothing");
      console.log(`FAILED: ${shows}`);
      console.log(`  page ${monitor.page.url()}, screenshot ${join(this.directory, picture)}.png`);
      console.log(`  ${[error.message, ...monitor.problems].join("\n  ")}`);
      console.log(`  the page showed: ${seen.replace(/\s+/g, " ").slice(0, 600)}`);
    }
  }
}

function inTime(step) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the step was not done in ${STEP_MS / 1000} s`)), STEP_MS);
  });
  return Promise.race([step, late]).finally(() => clearTimeout(timer));
}
