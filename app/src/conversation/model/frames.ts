// Once for each picture that the screen shows, however much happens between two of them.

/** How long to wait where nothing is shown, in milliseconds: pages that are hidden get no frames. */
const HIDDEN = 250;

/** How much of the time what is run may take: a third. The rest is for whoever scrolls and types meanwhile. */
const SHARE = 3;

/** Runs something at the next frame, once however often it is asked for; later, if it took long the last time. */
export class Frames {
  readonly #run: () => void;
  #cancel: (() => void) | undefined;
  /** Not before then. */
  #next = 0;

  constructor(run: () => void) {
    this.#run = run;
  }

  ask(): void {
    if (this.#cancel) return;
    let frame = requestAnimationFrame((now) => this.#frame(now));
    // A page that becomes hidden after it has asked gets no frame.
    const timer = setTimeout(() => this.#now(), HIDDEN);
    this.#cancel = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      this.#cancel = undefined;
    };
    this.#again = () => (frame = requestAnimationFrame((now) => this.#frame(now)));
  }

  leave(): void {
    this.#cancel?.();
  }

  #again = (): void => undefined;

  #frame(now: number): void {
    if (now < this.#next) this.#again();
    else this.#now();
  }

  #now(): void {
    this.#cancel?.();
    const began = performance.now();
    this.#run();
    // By the next frame all that follows from it is done, and painted.
    requestAnimationFrame(() => (this.#next = began + Math.min(HIDDEN, SHARE * (performance.now() - began))));
  }
}
