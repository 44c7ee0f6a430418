// The time, for what is counted while it goes on.

import { createSubscriber } from "svelte/reactivity";
import { clock } from "../../lib/clock.svelte";

/** How often it is looked at: milliseconds. */
const TICK = 1_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, TICK);
  return () => clearInterval(timer);
});

/** Now, by the clock of the server, in milliseconds since the Unix epoch; anew each second. Reactive. */
export function now(): number {
  subscribe();
  return clock.now();
}
