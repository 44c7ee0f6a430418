// How a connection is to be.

import type { Look } from "./look.js";

/** When what is missing is given up. In milliseconds. */
export interface Timeouts {
  /** The acknowledgement of a prompt. */
  readonly prompt: number;
  /** The acknowledgement of an image. */
  readonly image: number;
  /** Any progress of an attempt to connect. */
  readonly attempt: number;
  /** Media that were interrupted. */
  readonly interruption: number;
}

/** When what has failed is tried again. In milliseconds. */
export interface Retry {
  /** How long to wait before each further attempt. When they are used up, it is given up. */
  readonly delays: readonly number[];
  /** A session that lasted as long as that begins them anew. */
  readonly stable: number;
}

/** How a connection is to be. What is left out is as for someone who sends video. */
export interface Options {
  /** Whether it sends video. A viewer does not, and sets no look. */
  readonly produces?: boolean | undefined;
  /** Whether a session that is lost is set up again. */
  readonly reconnects?: boolean | undefined;
  /** What the session begins with; without one, pictures come back as they are. */
  readonly look?: Look | null | undefined;
  /** An earlier session to go on with: its look is restored by the server, and the receipt adds up. */
  readonly session?: string | null | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<Retry> | undefined;
}

export const TIMEOUTS: Timeouts = { prompt: 15_000, image: 30_000, attempt: 30_000, interruption: 5_000 };
export const RETRY: Retry = { delays: [1_000, 2_000, 4_000, 8_000, 10_000], stable: 10_000 };
