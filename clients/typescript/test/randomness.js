// Chance that can be repeated.

/** A generator of numbers in [0, 1), the same for the same seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Dice {
  #random;

  constructor(seed) {
    this.#random = generator(seed);
  }

  /** A number from 0 up to that. */
  upTo(end) {
    return this.#random() * end;
  }

  /** A whole number below that. */
  below(end) {
    return Math.floor(this.upTo(end));
  }

  /** True in that part of all cases. */
  chance(part) {
    return this.upTo(1) < part;
  }

  /** One of these. */
  one(...choices) {
    return choices[this.below(choices.length)];
  }

  /** One of these, or what it gives if it is a function; each as often as its weight says. */
  weighted(...choices) {
    let left = this.upTo(choices.reduce((sum, [weight]) => sum + weight, 0));
    const [, choice] = choices.find(([weight]) => (left -= weight) < 0) ?? choices.at(-1);
    return typeof choice === "function" ? choice() : choice;
  }
}
