// Waiting with a deadline.

/** How long anything may take before it counts as missing. */
export const PATIENCE_MS = 15_000;

/** Repeats `check` until it returns a true value, and returns it. A false value: there was none in time. */
async function repeat(check) {
  const deadline = Date.now() + PATIENCE_MS;
  do {
    const value = await check();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 40));
  } while (Date.now() < deadline);
  return false;
}

/** Repeats `check` until it returns a true value. `what` says in the failure what was missing. */
export async function until(what, check) {
  const value = await repeat(check);
  if (!value) throw new Error(`not in ${PATIENCE_MS / 1000} s: ${what}`);
  return value;
}

/** Repeats `read` until its value, as JSON, is the expected one. The failure shows the last value. */
export async function becomes(what, read, expected) {
  const wanted = JSON.stringify(expected);
  let seen;
  const isEqual = await repeat(async () => {
    seen = JSON.stringify(await read());
    return seen === wanted;
  });
  if (!isEqual) throw new Error(`${what}: expected ${wanted}, seen ${seen}`);
}

/** Compares two values as JSON. */
export function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, seen ${JSON.stringify(seen)}`);
  }
}
