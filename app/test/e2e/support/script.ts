// What a scripted model does, step by step.

/** One thing that the model does. */
export type Beat =
  | { readonly kind: "say" | "think"; readonly text: string; readonly perSecond: number | undefined }
  | { readonly kind: "call"; readonly tool: string; readonly input: unknown }
  | { readonly kind: "pause"; readonly ms: number }
  | { readonly kind: "until"; readonly gate: string }
  | { readonly kind: "fail"; readonly status: number; readonly message: string; readonly times: number }
  | { readonly kind: "cut" }
  | { readonly kind: "usage"; readonly usage: Usage };

/** What the provider says that a step took. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
}

/** One answer of the model; the tools that it calls run before the next one. */
export type Step = readonly Beat[];

interface Pace {
  /** So many tokens a second; without it, all at once. */
  readonly perSecond?: number;
}

/** Text, token by token. */
export const say = (text: string, { perSecond }: Pace = {}): Beat => ({ kind: "say", text, perSecond });

/** Reasoning, token by token. */
export const think = (text: string, { perSecond }: Pace = {}): Beat => ({ kind: "think", text, perSecond });

/** A call of a tool. Several in one step run at the same time. */
export const call = (tool: string, input: unknown): Beat => ({ kind: "call", tool, input });

export const pause = (ms: number): Beat => ({ kind: "pause", ms });

/** Waits until the test releases the gate of that name. */
export const until = (gate: string): Beat => ({ kind: "until", gate });

/** The provider's refusal, the first so many times; the first thing in its step. */
export const fail = (status: number, message: string, { times = Infinity } = {}): Beat => ({ kind: "fail", status, message, times });

/** The connection breaks. */
export const cut = (): Beat => ({ kind: "cut" });

/** What the step is said to have taken, instead of what is counted. */
export const usage = (usage: Usage): Beat => ({ kind: "usage", usage });

/** The text in pieces as models give it out: about four characters each. */
export function tokens(text: string): readonly string[] {
  return text.match(/\s?[\p{L}\p{N}]{1,5}|[^\p{L}\p{N}]{1,3}/gu) ?? [];
}
