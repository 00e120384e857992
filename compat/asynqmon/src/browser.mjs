// A page of asynqmon in headless Chromium, and what a person does with it.
import { chromium } from "playwright-core";
import { PATIENCE_MS, until } from "./wait.mjs";

export async function openBrowser(program) {
  // asynqmon asks for fonts elsewhere: only this machine can be reached.
  const args = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
  // Chromium refuses its sandbox to root.
  if (process.getuid() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: program, args, headless: true });
}

export class Monitor {
  /** What went wrong in the page since the last look: uncaught errors, and answers that are errors. */
  problems = [];

  static async open(browser, address) {
    const monitor = new Monitor();
    const context = await browser.newContext({ viewport: { width: 1440, height: 1100 }, timezoneId: "UTC", locale: "en-US" });
    context.setDefaultTimeout(PATIENCE_MS);
    monitor.address = address;
    monitor.page = await context.newPage();
    monitor.page.on("pageerror", (error) => monitor.problems.push(`uncaught in the page: ${error.message}`));
    monitor.page.on("response", (response) => {
      if (response.status() >= 400) monitor.problems.push(`${response.request().method()} ${new URL(response.url()).pathname}: ${response.status()}`);
    });
    return monitor;
  }

  async go(path) {
    await this.page.goto(this.address + path, { waitUntil: "domcontentloaded" });
  }

  /** Waits until the page shows this text, or a text that fits this expression. */
  async shows(text) {
    const place = this.page.getByText(text).first();
    await place.waitFor({ state: "visible" }).catch(() => {
      throw new Error(`the page does not show ${text}`);
    });
  }

  /** The page without its menu. */
  get main() {
    return this.page.locator("main");
  }

  /** The cells of the rows of the table with this label. Without such a table there are no rows. */
  rows(label) {
    return this.page.locator(`table[aria-label="${label}"] > tbody > tr`).evaluateAll((rows) =>
      rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
  }

  /** The rows, once there are this many. */
  async rowsOnce(label, count) {
    let rows = [];
    await until(`the table "${label}" has ${count} rows`, async () => {
      rows = await this.rows(label);
      return rows.length === count;
    }).catch((error) => {
      throw new Error(`${error.message}; it has ${rows.length}`);
    });
    return rows;
  }

  /** The row whose header cell has exactly this text. */
  row(name) {
    const exact = new RegExp(`^\\s*${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*$`);
    return this.page.locator("tbody tr", { has: this.page.locator("th", { hasText: exact }) });
  }

  /** Clicks an action in the last cell of a row. asynqmon shows the actions when the mouse is over the cell. */
  async clickInRow(row, title) {
    const cell = row.locator("td").last();
    await cell.hover({ position: { x: 2, y: 2 } });
    await this.clickTitled(cell, title);
    await this.page.mouse.move(5, 5);
  }

  /**
   * Clicks the button with this title in `place`. The title is gone while the tooltip is shown, so the
   * button is chosen by its number.
   */
  async clickTitled(place, title) {
    let titles = [];
    let number = -1;
    await until(`a button "${title}"`, async () => {
      titles = await place.locator("button").evaluateAll((buttons) => buttons.map((button) => button.title));
      number = titles.indexOf(title);
      return number >= 0;
    }).catch((error) => {
      throw new Error(`${error.message}; there are ${JSON.stringify(titles)}`);
    });
    await place.locator("button").nth(number).click();
  }

  /** Clicks an entry of the menu of actions for all tasks. */
  async clickForAll(label) {
    await this.page.locator('button[aria-label="actions"]').click();
    await this.page.locator("#action-menu").getByRole("menuitem", { name: label, exact: true }).click();
    await this.page.locator("#action-menu").getByRole("menuitem").first().waitFor({ state: "hidden" });
  }

  /** On the page of a queue: shows the tasks of a state, of one group if they are aggregating. */
  async openState(state, group) {
    await this.page.locator(".MuiChip-root", { hasText: new RegExp(`^${state}`, "i") }).click();
    if (group) await this.chooseGroup(group);
  }

  async chooseGroup(group) {
    await this.page.locator("#task-group-selector").click();
    await this.page.getByRole("option", { name: new RegExp(`^${group}\\s*\\d+$`) }).click();
  }
}
