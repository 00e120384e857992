// The texts in which asynqmon writes spans of time.
const NEAR_S = 8;

/** Seconds of "1h2m3s" or "2 days", with the words that asynqmon puts around it. */
function seconds(text) {
  const days = /(\d+) days?/.exec(text);
  if (days) return { value: days[1] * 86_400, unit: 86_400 };
  const parts = /(?:(\d+)h)?(?:(\d+)m)?(\d+)s/.exec(text);
  if (!parts) return { value: NaN, unit: 0 };
  return { value: (parts[1] ?? 0) * 3600 + (parts[2] ?? 0) * 60 + Number(parts[3]), unit: 0 };
}

/** Checks that `text` has the form of `form` ("in _", "_ ago", "_ left") and means the unix time `at`. */
export function means(what, text, form, at) {
  const [before, after] = form.split("_");
  const away = form.endsWith("ago") ? Date.now() / 1000 - at : at - Date.now() / 1000;
  const { value, unit } = seconds(text);
  const fits = text.startsWith(before) && text.endsWith(after) && Math.abs(value - away) <= NEAR_S + unit;
  if (!fits) throw new Error(`${what}: expected "${form}" with ${Math.round(away)} s, seen "${text}"`);
}
