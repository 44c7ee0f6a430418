// What time it is at the server: the clock of this device may be minutes off.

/** A date of an answer has whole seconds, and is as old as the answer: a difference that is no greater is none. In milliseconds. */
const EXACT = 3_000;

export class Clock {
  #ahead = $state(0);

  /** Now, at the server: milliseconds since the Unix epoch. Reactive to what is known of its clock, not to time. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  /** Notes what an answer of the server says of the time, and gives it back. One that a browser may have kept is old. */
  read(answer: Response): Response {
    if (["cache-control", "expires", "last-modified"].some((name) => answer.headers.has(name))) return answer;
    const ahead = Date.parse(answer.headers.get("date") ?? "") - Date.now();
    // Clocks are put right now and then; what comes late does not count.
    if (Number.isFinite(ahead) && Math.abs(ahead - this.#ahead) > EXACT) this.#ahead = Math.abs(ahead) > EXACT ? ahead : 0;
    return answer;
  }
}

export const clock = new Clock();
