// Turns as servers make them: what is said of each while it runs, and what is written of it.

import type { ConversationEvent, TurnEvent } from "@dispatch/client";
import type { Logged } from "../history.js";
import type { Random } from "./random.js";

export interface MadeTurn {
  readonly turnId: string;
  readonly events: readonly ConversationEvent[];
  readonly chunks: readonly Logged[];
}

const WORDS = ["one ", "two\n", "**three** ", "`four` ", "é ", "😀\n\n", "- five\n", "\r\n"];
const CONVERSATION = "c";

export const conversationId = CONVERSATION;

/** A turn whose first chunk has that seq. */
export function turn(random: Random, turnId: string, firstSeq: number): MadeTurn {
  return new Maker(random, turnId, firstSeq).make();
}

class Maker {
  readonly #random: Random;
  readonly #turnId: string;
  readonly #events: TurnEvent[] = [];
  readonly #chunks: Logged[] = [];
  #seq: number;
  #eventSeq = 0;
  #calls = 0;
  /** The chunk that grows. */
  #open: { type: "text" | "thinking"; text: string } | undefined;

  constructor(random: Random, turnId: string, firstSeq: number) {
    this.#random = random;
    this.#turnId = turnId;
    this.#seq = firstSeq;
  }

  make(): MadeTurn {
    const random = this.#random;
    const text = `prompt of ${this.#turnId}`;
    this.#write("user", { type: "text", text });
    this.#say({ type: "user-message", text, clientMessageId: `m-${this.#turnId}` });
    this.#say({ type: "turn-start" });
    const steps = 1 + random.below(4);
    let reason = "stop";
    for (let step = 0; step < steps; step += 1) {
      reason = this.#step(step, step === steps - 1);
      if (reason === "error") break;
    }
    this.#say({ type: "done", reason, durationMs: 5, usage: { inputTokens: 3, outputTokens: 2 }, contextSize: 5 });
    this.#say({ type: "turn-sealed" });
    return { turnId: this.#turnId, events: this.#events, chunks: this.#chunks };
  }

  #step(step: number, isLast: boolean): string {
    const random = this.#random;
    const stepId = `${this.#turnId}#${step}`;
    if (random.chance(0.1)) this.#say({ type: "provider-retry", attempt: 1, delayMs: 10, message: "busy" });
    const calls: string[] = [];
    for (let piece = 0; piece < 1 + random.below(5); piece += 1) {
      const kind = random.pick(["text", "thinking", "hidden", isLast ? "text" : "call"] as const);
      if (kind === "call") calls.push(this.#call(stepId));
      else if (kind === "hidden") this.#hidden();
      else for (let count = 0; count <= random.below(4); count += 1) this.#grow(kind);
    }
    if (!isLast && calls.length === 0) calls.push(this.#call(stepId));
    if (isLast && this.#open === undefined) this.#grow("text");
    const fails = isLast && random.chance(0.15);
    this.#close();
    if (fails) {
      this.#write("assistant", { type: "error", message: "it broke", code: "internal" });
      this.#say({ type: "error", message: "it broke", code: "internal" });
    }
    this.#say({ type: "usage", stepId: stepId as never, usage: { inputTokens: 3, outputTokens: 2 } });
    this.#say({ type: "step-complete", stepId: stepId as never, genTotalMs: 4, ttftMs: 1, decodeMs: 3 });
    for (const id of calls) this.#result(stepId, id);
    if (!isLast && random.chance(0.3)) {
      this.#write("user", { type: "text", text: "mind the tests" }, { steering: true });
      this.#say({ type: "steering", text: "mind the tests" });
    }
    return fails ? "error" : "stop";
  }

  #grow(type: "text" | "thinking"): void {
    const delta = this.#random.pick(WORDS);
    if (this.#open?.type !== type) {
      this.#close();
      this.#open = { type, text: "" };
    }
    this.#open.text += delta;
    this.#say({ type: type === "text" ? "text-delta" : "reasoning-delta", delta });
  }

  /** Reasoning that the provider hides: a chunk that nobody hears of, between two pieces of what may be one text. */
  #hidden(): void {
    if (this.#open?.type === "text") {
      this.#close();
      this.#write("assistant", { type: "thinking", text: "" });
    }
  }

  #close(): void {
    if (this.#open && this.#open.text !== "") this.#write("assistant", this.#open);
    this.#open = undefined;
  }

  #call(stepId: string): string {
    this.#close();
    this.#calls += 1;
    const toolCallId = `${this.#turnId}-call-${this.#calls}`;
    const call = { type: "tool-call", toolCallId, toolName: "run_shell", input: { command: "ls" }, stepId } as const;
    this.#write("assistant", call as never);
    this.#say(call as never);
    if (this.#random.chance(0.5)) this.#say({ type: "tool-output", toolCallId, data: "early\n", stream: "stdout" });
    return toolCallId;
  }

  #result(stepId: string, toolCallId: string): void {
    const isError = this.#random.chance(0.3);
    const result = { type: "tool-result", toolCallId, toolName: "run_shell", content: "done\n", isError, stepId } as const;
    this.#write("tool", result as never, { durationMs: 12 });
    this.#say({ ...result, durationMs: 12 } as never);
  }

  #write(role: Logged["role"], chunk: Logged["chunk"], extras: Partial<Logged> = {}): void {
    this.#chunks.push({ seq: this.#seq, role, chunk: { ...chunk }, turnId: this.#turnId, ...extras } as Logged);
    this.#seq += 1;
  }

  #say(event: DistributiveOmit<TurnEvent, "conversationId" | "turnId">): void {
    this.#eventSeq += 1;
    const ids = { conversationId: CONVERSATION, turnId: this.#turnId, eventSeq: this.#eventSeq };
    this.#events.push({ ...event, ...ids } as TurnEvent);
  }
}

type DistributiveOmit<T, Name extends PropertyKey> = T extends unknown ? Omit<T, Name> : never;

/** As old servers give them: without what newer ones say besides. */
export function plain(chunks: readonly Logged[]): readonly Logged[] {
  return chunks.map(({ seq, role, chunk }) => ({ seq, role, chunk }));
}
