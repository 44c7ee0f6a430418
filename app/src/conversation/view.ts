// What the parts of a conversation's view have in common.

import type { ImageInput, QueuedMessage, ReasoningEffort, TurnMetrics, TurnMetricsExtras } from "@dispatch/client";

/**
 * A conversation that is shown: its transcript, what runs in it, and what it goes by. Everything is reactive. The
 * transcript's own part (`ConversationModel`) implements it; header, composer and panel are made of it.
 */
export interface ConversationView {
  readonly id: string;
  /** Whether it is being read for the first time, was read, or could not be. */
  readonly state: "loading" | "ready" | "failed";
  /** Why it could not be read. */
  readonly error: string | undefined;
  /** No turn was ever in it. */
  readonly isEmpty: boolean;
  /** The turn in flight. */
  readonly activeTurn: string | undefined;
  /** Of sealed turns, oldest first; last that of the newest one, as far as it was heard. */
  readonly metrics: readonly (TurnMetrics & TurnMetricsExtras)[];
  /** Where its history from before the last compaction is. */
  readonly archive: string | undefined;
  /** When that compaction was, by the clock of the server: milliseconds since the Unix epoch. */
  readonly compactedAt: number | undefined;
  /** It was closed: the next message opens it again. */
  readonly isClosed: boolean;
  readonly title: string;
  readonly model: string | null;
  readonly effort: ReasoningEffort | null;
  readonly cwd: string | null;
  /** What waits to be taken in. */
  readonly queue: readonly QueuedMessage[];

  /** Sends it, or while a turn runs queues it. Resolves when the server has it, and rejects with an error for people. */
  send(text: string, images: readonly ImageInput[]): Promise<void>;
  stop(): Promise<void>;
  /** Takes it out of the queue. Says whether it was still there: if not, the turn has it by now. */
  cancelQueued(messageId: string): Promise<boolean>;
  setTitle(title: string): Promise<void>;
  setModel(model: string | null): Promise<void>;
  setEffort(effort: ReasoningEffort): Promise<void>;
  setCwd(cwd: string | null): Promise<void>;
  compact(): Promise<void>;
  /** Stops watching. */
  leave(): void;
}
