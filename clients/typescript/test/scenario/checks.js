// What a check is made of, in Node and in a page.

/** How long anything may take, in seconds: much longer than it does, since machines can be busy. */
const PATIENCE = 60;

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export function assert(isSo, why) {
  if (!isSo) throw new Error(why);
}

/** As JSON, with the fields of objects in their alphabetical order. */
function written(value) {
  const isObject = (value) => value && typeof value === "object" && !Array.isArray(value);
  const sorted = (_, value) => (isObject(value) ? Object.fromEntries(Object.entries(value).sort()) : value);
  return JSON.stringify(value, sorted);
}

export function equal(is, shouldBe, what) {
  const [left, right] = [is, shouldBe].map(written);
  assert(left === right, `${what}: ${left} instead of ${right}`);
}

/** Waits until the condition is `true`; what it is instead is said when it never is. */
export async function until(what, condition) {
  const end = performance.now() + PATIENCE * 1000;
  for (;;) {
    const is = condition();
    if (is === true) return;
    assert(performance.now() < end, `waited ${PATIENCE} s for ${what}: ${JSON.stringify(is)}`);
    await sleep(0.02);
  }
}

/** What a promise is rejected with. */
export function rejection(promise) {
  return promise.then(
    () => {
      throw new Error("nothing failed");
    },
    (error) => error,
  );
}
