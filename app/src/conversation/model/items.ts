// What a transcript is made of: turns, and in each of them items, of which every one belongs to a step.

import type { ImageChunk, StepMetrics, TurnMetrics, TurnMetricsExtras } from "@dispatch/client";

interface Placed {
  /** The same for as long as the item is shown: while it is said and when it is written. */
  readonly id: string;
  /** Where it begins in the log; not known before the turn is written. */
  readonly seq: number | undefined;
  /** Which step of the turn, from 0: as far as the turn is known. */
  readonly step: number;
}

/** What a person said: as the prompt of a turn, or into a running one. */
export interface Said extends Placed {
  readonly kind: "said";
  readonly text: string;
  readonly images: readonly Picture[];
  readonly isSteering: boolean;
  /** The clients' own ids of the messages that this is; only while the turn is live. */
  readonly messageIds: readonly string[];
}

/** An image of a message. One that was just sent is still a `data:` address. */
export type Picture = Pick<ImageChunk, "url" | "mimeType">;

/** Text of the answer. */
export interface Prose extends Placed {
  readonly kind: "text";
  readonly text: string;
}

export interface Thinking extends Placed {
  readonly kind: "thinking";
  readonly text: string;
  /** When it was first heard of, by the clock of the server; only while it goes on. */
  readonly since: number | undefined;
}

/** All tool calls of a step, where the first of them stands. */
export interface Batch extends Placed {
  readonly kind: "batch";
  readonly stepId: string | undefined;
  readonly calls: readonly Call[];
}

export interface Call {
  readonly id: string;
  readonly name: string;
  /** Not known of a result whose call is further up in the history than was read. */
  readonly input: unknown;
  /** What the tool has written so far; only while the turn is live. */
  readonly output: string;
  readonly result: { readonly content: string; readonly isError: boolean } | undefined;
  readonly durationMs: number | undefined;
  /** When its tool started, or before that, when it was first heard of. By the clock of the server; only while it goes on. */
  readonly since: number | undefined;
  /** Whether its tool has started and goes on: it may have to wait for others of its step. */
  readonly isStarted: boolean;
}

/** Something failed. */
export interface Failure extends Placed {
  readonly kind: "error";
  readonly message: string;
  readonly code: string | undefined;
}

/** The provider is asked again in a moment. Gone with the next thing that is heard of the turn. */
export interface Retry extends Placed {
  readonly kind: "retry";
  readonly attempt: number;
  /** When, by the clock of the server. */
  readonly until: number;
  readonly message: string;
}

/** What the server put in: the summary of what was before a compaction, or instructions. */
export interface Note extends Placed {
  readonly kind: "note";
  readonly text: string;
}

export type Item = Said | Prose | Thinking | Batch | Failure | Retry | Note;

export interface Turn {
  /** The same for as long as the turn is shown. */
  readonly id: string;
  /** Not known of what no turn wrote, or an old server. */
  readonly turnId: string | undefined;
  readonly items: readonly Item[];
  /** The seqs of its chunks that were read. */
  readonly firstSeq: number | undefined;
  readonly lastSeq: number | undefined;
  readonly state: "running" | "done" | "sealed";
  /** What its events said of it. A turn that was read has none: its metrics are read apart. */
  readonly told: Told | undefined;
}

/** What the events of a turn say of tokens, time, and its end. */
export interface Told {
  readonly steps: readonly StepMetrics[];
  readonly end: Metrics | undefined;
}

/** Of a turn that is over. */
export type Metrics = TurnMetrics & TurnMetricsExtras;

/** How a call does. `cut-off`: the turn ended before it did. */
export type CallState = "waiting" | "running" | "done" | "failed" | "cut-off";

/** What servers write as the result of calls that did not come to an end. */
const CUT_OFF = /^(Aborted$|\[aborted: |interrupted: )|\n\[aborted: [^\n]*\]$/;

export function stateOf({ result, since, isStarted }: Call): CallState {
  if (!result && since === undefined) return "cut-off";
  if (!result) return isStarted ? "running" : "waiting";
  if (!result.isError) return "done";
  return CUT_OFF.test(result.content) ? "cut-off" : "failed";
}
