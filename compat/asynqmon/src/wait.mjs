// Waiting with a deadline.

/** How long anything may take before it counts as missing. */
export const PATIENCE_MS = 15_000;

/** Repeats `check` until it returns a true value. `what` says in the failure what was missing. */
export async function until(what, check) {
  const deadline = Date.now() + PATIENCE_MS;
  let last;
  do {
    last = await check();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 40));
  } while (Date.now() < deadline);
  throw new Error(`not in ${PATIENCE_MS / 1000} s: ${what}`);
}

/** Repeats `read` until its value, as JSON, is the expected one. The failure shows the last value. */
export async function becomes(what, read, expected) {
  const wanted = JSON.stringify(expected);
  const deadline = Date.now() + PATIENCE_MS;
  let seen;
  do {
    seen = JSON.stringify(await read());
    if (seen === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 40));
  } while (Date.now() < deadline);
  throw new Error(`${what}: expected ${wanted}, seen ${seen}`);
}

/** Compares two values as JSON. */
export function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, seen ${JSON.stringify(seen)}`);
  }
}
