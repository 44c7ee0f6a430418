// A turn that is being put together, from what is read or from what is heard: both in the same way, so that it looks the same.

import type { Batch, Call, Item, Picture, Prose, Thinking } from "./items.js";

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };
type Seq = number | undefined;
type Answer = { readonly id: string; readonly name: string; readonly content: string; readonly isError: boolean };

/** Items are replaced, never changed: those that were given out stay as they are. */
export class Draft {
  readonly #items: Item[];
  readonly #name: (seq: Seq, ordinal: number) => string;
  #step = 0;
  /** The tools of the step have answered: what the model says next is another step. */
  #isStepOver = false;

  /** Goes on from items; `name` makes the ids of those to come. */
  constructor(items: readonly Item[], name: (seq: Seq, ordinal: number) => string) {
    this.#items = [...items];
    this.#name = name;
    const last = items.findLast(({ kind }) => kind !== "retry");
    if (!last) return;
    this.#step = last.step;
    const answers = ({ kind, step }: Item) => kind === "batch" && step === last.step;
    const batch = items.findLast(answers) as Batch | undefined;
    this.#isStepOver = last.kind === "said" ? last.isSteering : !!batch?.calls.some(({ result }) => result);
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  said(
    seq: Seq,
    text: string,
    isSteering: boolean,
    { images = [], messageIds = [] }: { images?: readonly Picture[]; messageIds?: readonly string[] } = {},
  ): void {
    this.#settle();
    this.#items.push({ kind: "said", ...this.#place(seq), text: clean(text), images, isSteering, messageIds });
    this.#isStepOver = isSteering;
  }

  /** An image of the message that was said last. */
  picture(seq: Seq, { url, mimeType }: Picture): void {
    const last = this.#items.at(-1);
    const picture = mimeType === undefined ? { url } : { url, mimeType };
    if (last?.kind === "said") this.#replaceLast({ ...last, images: [...last.images, picture] });
    else this.said(seq, "", false, { images: [picture] });
  }

  note(seq: Seq, text: string): void {
    this.#settle();
    this.#items.push({ kind: "note", ...this.#place(seq), text: clean(text) });
  }

  /** More text of the answer, or of its reasoning. Two pieces after one another are one. */
  grow(kind: "text" | "thinking", seq: Seq, delta: string, since: number | undefined): void {
    if (delta === "") return;
    this.#begin();
    const last = this.#items.at(-1);
    const text = clean(delta);
    if (last?.kind === kind && last.step === this.#step) {
      const longer: Mutable<Prose | Thinking> = { ...last };
      longer.text = last.text + text;
      return this.#replaceLast(longer);
    }
    this.#settle();
    const placed = this.#place(seq);
    this.#items.push(kind === "text" ? { kind, ...placed, text } : { kind, ...placed, text, since });
  }

  call(seq: Seq, stepId: string | undefined, call: Pick<Call, "id" | "name" | "input" | "since">): void {
    this.#begin();
    this.#add(seq, stepId, { ...call, output: "", result: undefined, durationMs: undefined, isStarted: false });
  }

  /** The tool of a call that goes on runs since then: it may have had to wait for others of its step. */
  started(callId: string, since: number): void {
    this.#change(callId, (call) => (call.since === undefined ? call : { ...call, since, isStarted: true }));
  }

  output(callId: string, data: string): void {
    // Whoever writes has started, whether or not that was heard.
    this.#change(callId, (call) => ({ ...call, output: call.output + clean(data), isStarted: true }));
  }

  result(seq: Seq, stepId: string | undefined, answer: Answer, durationMs: number | undefined): void {
    const { id, name, isError } = answer;
    const result = { content: clean(answer.content), isError };
    const over = { output: "", result, durationMs, since: undefined, isStarted: false };
    const isKnown = this.#change(id, (call) => ({ ...call, ...over }));
    if (!isKnown) this.#add(seq, stepId, { id, name, input: undefined, ...over });
    this.#isStepOver = true;
  }

  failure(seq: Seq, message: string, code: string | undefined): void {
    this.#begin();
    this.#settle();
    this.#items.push({ kind: "error", ...this.#place(seq), message, code });
  }

  retry(attempt: number, until: number, message: string): void {
    this.#settle();
    this.#items.push({ kind: "retry", ...this.#place(undefined), attempt, until, message });
  }

  /** Nothing more is said: what went on is over. */
  end(): void {
    this.#settle();
    for (const [index, item] of this.#items.entries()) {
      if (item.kind !== "batch" || !item.calls.some(({ since }) => since !== undefined)) continue;
      this.#items[index] = { ...item, calls: item.calls.map((call) => ({ ...call, since: undefined, isStarted: false })) };
    }
  }

  #place(seq: Seq): { id: string; seq: Seq; step: number } {
    return { id: this.#name(seq, this.#items.length), seq, step: this.#step };
  }

  #begin(): void {
    if (this.#items.at(-1)?.kind === "retry") this.#items.pop();
    if (this.#isStepOver) this.#step += 1;
    this.#isStepOver = false;
  }

  /** Ends what stands last and holds only until something else is heard. */
  #settle(): void {
    const last = this.#items.at(-1);
    if (last?.kind === "retry") this.#items.pop();
    if (last?.kind === "thinking" && last.since !== undefined) this.#replaceLast({ ...last, since: undefined });
  }

  #replaceLast(item: Item): void {
    this.#items[this.#items.length - 1] = item;
  }

  #add(seq: Seq, stepId: string | undefined, call: Call): void {
    this.#settle();
    const index = this.#items.findLastIndex(({ kind, step }) => kind === "batch" && step === this.#step);
    const batch = this.#items[index] as Batch | undefined;
    if (batch) this.#items[index] = { ...batch, calls: [...batch.calls, call] };
    else this.#items.push({ kind: "batch", ...this.#place(seq), stepId, calls: [call] });
  }

  /** Whether there is such a call that has no result. */
  #change(callId: string, change: (call: Call) => Call): boolean {
    const isIt = (call: Call) => call.id === callId && !call.result;
    const index = this.#items.findLastIndex((item) => item.kind === "batch" && item.calls.some(isIt));
    const batch = this.#items[index] as Batch | undefined;
    if (!batch) return false;
    this.#items[index] = { ...batch, calls: batch.calls.map((call) => (isIt(call) ? change(call) : call)) };
    return true;
  }
}

/** Line ends of one kind, however a text is cut. */
function clean(text: string): string {
  return text.includes("\r") ? text.replaceAll("\r", "") : text;
}
