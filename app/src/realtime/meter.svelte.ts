// What is measured of a running session, once a second.

import { type Counts, type Figures, NOTHING, counts, figures } from "./statistics";

/** A second, as the small plots show it. */
export interface Point {
  /** Milliseconds. Missing where it could not be measured. */
  readonly latency: number | undefined;
  /** Pictures that came back. */
  readonly pictures: number | undefined;
}

/** How a latency was measured. */
export type LatencyKind =
  /** From the drawing of a picture to its result on the screen, by the clip's time code. */
  | "end-to-end"
  /** Network and browser, from statistics: the server's own time is not in it. */
  | "transport";

export interface Latency {
  readonly kind: LatencyKind;
  readonly milliseconds: number;
}

/** How often it is measured, and for how long an age that was read counts, in milliseconds. */
const INTERVAL = 1_000;
const RECENT = 2_000;
/** Between two readings of the time code. */
const READING = 100;
/** How many seconds the small plots show. */
const SHOWN = 60;
/** After so many seconds without a picture they are said to stand still. */
const STILL = 2;

export class Meter {
  #figures = $state.raw<Figures>(NOTHING);
  #latency = $state.raw<Latency>();
  #points = $state.raw<readonly Point[]>([]);
  #ages: { readonly at: number; readonly age: number }[] = [];
  #before: Counts | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Counts starts: what was asked of a connection that is gone is dropped. */
  #run = 0;

  /** Of the last second. Reactive. */
  get figures(): Figures {
    return this.#figures;
  }

  get latency(): Latency | undefined {
    return this.#latency;
  }

  /** The last minute, the newest last. Reactive. */
  get points(): readonly Point[] {
    return this.#points;
  }

  /** Whether pictures came back, and do no more. Reactive. */
  get isStalled(): boolean {
    const last = this.#points.slice(-STILL);
    return last.length === STILL && last.every(({ pictures }) => pictures === 0);
  }

  /** Begins to measure a connection, and goes on in the plots where another one ended. */
  start(connection: Pick<RTCPeerConnection, "getStats">): void {
    this.stop();
    const run = this.#run;
    this.#timer = setInterval(() => void this.#measure(connection, run), INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#run += 1;
    this.#before = undefined;
    this.#ages = [];
    this.#figures = NOTHING;
    this.#latency = undefined;
  }

  /** Forgets everything. */
  reset(): void {
    this.stop();
    this.#points = [];
  }

  /** Whether it is time to read the time code again. */
  isDue(now: number): boolean {
    return now - (this.#ages.at(-1)?.at ?? -Infinity) >= READING;
  }

  /** A picture was seen that had been drawn so many milliseconds before. */
  seen(age: number, now: number): void {
    this.#ages.push({ at: now, age });
  }

  /** Another source has other pictures. */
  forget(): void {
    this.#ages = [];
  }

  async #measure(connection: Pick<RTCPeerConnection, "getStats">, run: number): Promise<void> {
    const report = await connection.getStats().catch(() => undefined);
    if (!report || run !== this.#run) return;
    const now = counts(report);
    this.#figures = figures(now, this.#before);
    this.#before = now;
    this.#latency = this.#endToEnd() ?? transported(this.#figures);
    const point = { latency: this.#latency?.milliseconds, pictures: this.#figures.received.pictures };
    this.#points = [...this.#points, point].slice(-SHOWN);
  }

  /** In the middle of what was read of late. */
  #endToEnd(): Latency | undefined {
    const since = performance.now() - RECENT;
    this.#ages = this.#ages.filter(({ at }) => at >= since);
    const sorted = this.#ages.map(({ age }) => age).sort((one, other) => one - other);
    const milliseconds = sorted[sorted.length >> 1];
    return milliseconds === undefined ? undefined : { kind: "end-to-end", milliseconds };
  }
}

function transported({ transport }: Figures): Latency | undefined {
  return transport === undefined ? undefined : { kind: "transport", milliseconds: transport };
}
