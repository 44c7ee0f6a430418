// A provider of models that says what a test wrote for it: OpenAI's chat completions, as a stream.

import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as bodyOf } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Beat, type Step, type Usage, say, tokens } from "./script.js";

/** What a server asks a provider. */
export interface Asked {
  readonly model: string;
  readonly messages: readonly Message[];
}

interface Message {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string | readonly { readonly type: string; readonly text?: string }[] | null;
}

interface Script {
  readonly matches: (text: string) => boolean;
  readonly steps: readonly Step[];
}

/** The models: a large one that sees images, and a small one that does not. */
const MODELS = [
  { id: "large", context_length: 200_000, architecture: { input_modalities: ["text", "image"] } },
  { id: "small", context_length: 8_000, architecture: { input_modalities: ["text"] } },
];

/** How long to wait at least between two writes: many a token shares one. */
const TICK = 4;

export class Provider {
  readonly #server: Server;
  readonly #scripts: Script[] = [];
  readonly #gates = new Map<string, Gate>();
  readonly #failed = new Map<Beat, number>();
  #calls = 0;
  /** What it was asked, in its order. */
  readonly asked: Asked[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<Provider> {
    const provider = new Provider();
    provider.#server.listen(0, "127.0.0.1");
    await once(provider.#server, "listening");
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /**
   * What to answer to a message with that in it: a step for each time that the model is asked until its turn is over. Of
   * two that match, the later one counts. A message that steers a turn goes on with its script, unless it has its own.
   */
  answer(message: string | RegExp, steps: readonly Step[]): void {
    const matches = (text: string) => (typeof message === "string" ? text.includes(message) : message.test(text));
    this.#scripts.unshift({ matches, steps });
  }

  /** Lets answers pass the gate, those that wait there and those that come. */
  release(gate: string): void {
    this.#gate(gate).open();
  }

  /** Resolves when an answer is at the gate. */
  reached(gate: string): Promise<void> {
    return this.#gate(gate).reached;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #gate(name: string): Gate {
    const gate = this.#gates.get(name) ?? new Gate();
    this.#gates.set(name, gate);
    return gate;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data: MODELS }));
      return;
    }
    const asked = JSON.parse(body) as Asked;
    this.asked.push(asked);
    await this.#play(this.#step(asked), asked, response);
  }

  /** The step of the script that it is the turn of. */
  #step({ messages }: Asked): Step {
    for (let at = messages.length - 1; at >= 0; at -= 1) {
      const message = messages[at]!;
      if (message.role !== "user") continue;
      const text = textOf(message);
      const script = this.#scripts.find(({ matches }) => matches(text));
      const done = messages.slice(at + 1).filter(({ role }) => role === "assistant").length;
      if (script) return script.steps[Math.min(done, script.steps.length - 1)] ?? [];
      // What comes with the results of tools steers the turn that called them.
      if (messages[at - 1]?.role !== "tool") return [say(`You said: ${text}`)];
    }
    return [];
  }

  async #play(step: Step, asked: Asked, response: ServerResponse): Promise<void> {
    const [first] = step;
    if (first?.kind === "fail" && this.#fails(first)) {
      response.writeHead(first.status, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: first.message } }));
      return;
    }
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    response.writeHead(200, { "content-type": "text/event-stream" });
    const stream = new Stream(response, gone.signal);
    let usage: Usage = { input: Math.ceil(JSON.stringify(asked.messages).length / 4), output: 0 };
    let calls = 0;
    for (const beat of step) {
      switch (beat.kind) {
        case "say":
        case "think": {
          const field = beat.kind === "say" ? "content" : "reasoning_content";
          const pieces = tokens(beat.text);
          usage = { ...usage, output: usage.output + pieces.length };
          await stream.pour(pieces, beat.perSecond, (piece) => ({ choices: [{ index: 0, delta: { [field]: piece } }] }));
          break;
        }
        case "call": {
          this.#calls += 1;
          const called = { name: beat.tool, arguments: JSON.stringify(beat.input) };
          const call = { index: calls, id: `call-${this.#calls}`, type: "function", function: called };
          stream.give({ choices: [{ index: 0, delta: { tool_calls: [call] } }] });
          calls += 1;
          break;
        }
        case "pause":
          await sleep(beat.ms, undefined, { signal: gone.signal });
          break;
        case "until":
          await this.#gate(beat.gate).pass(gone.signal);
          break;
        case "usage":
          usage = beat.usage;
          break;
        case "cut":
          response.destroy();
          return;
        case "fail":
          break;
      }
    }
    stream.give({ choices: [{ index: 0, delta: {}, finish_reason: calls > 0 ? "tool_calls" : "stop" }] });
    stream.give({ choices: [], usage: counters(usage) });
    response.end("data: [DONE]\n\n");
  }

  #fails(beat: Beat & { readonly kind: "fail" }): boolean {
    const times = (this.#failed.get(beat) ?? 0) + 1;
    this.#failed.set(beat, times);
    return times <= beat.times;
  }
}

/** Where answers wait. */
class Gate {
  readonly #opened = signal();
  readonly #reached = signal();

  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  open(): void {
    this.#opened.give();
  }

  async pass(gone: AbortSignal): Promise<void> {
    this.#reached.give();
    await Promise.race([this.#opened.promise, once(gone, "abort")]);
    gone.throwIfAborted();
  }
}

/** Server-sent events to somebody who may read slowly, or leave. */
class Stream {
  constructor(
    private readonly response: ServerResponse,
    private readonly gone: AbortSignal,
  ) {}

  give(data: unknown): boolean {
    return this.response.write(`data: ${JSON.stringify(data)}\n\n`);
  }

  /** Gives the pieces out at that pace. One that was missed is made up for. */
  async pour(pieces: readonly string[], perSecond: number | undefined, event: (piece: string) => unknown): Promise<void> {
    const start = performance.now();
    let given = 0;
    while (given < pieces.length) {
      const due = perSecond === undefined ? pieces.length : Math.ceil(((performance.now() - start + TICK) * perSecond) / 1000);
      let isTaken = true;
      for (; given < Math.min(due, pieces.length) && isTaken; given += 1) isTaken = this.give(event(pieces[given]!));
      if (!isTaken) await once(this.response, "drain", { signal: this.gone });
      else if (perSecond !== undefined) await sleep(Math.max(TICK, 1000 / perSecond), undefined, { signal: this.gone });
    }
  }
}

function signal(): { readonly promise: Promise<void>; give(): void } {
  let give = () => {};
  const promise = new Promise<void>((resolve) => (give = resolve));
  return { promise, give };
}

const counters = ({ input, output, cached }: Usage) => ({
  prompt_tokens: input,
  completion_tokens: output,
  ...(cached !== undefined && { prompt_tokens_details: { cached_tokens: cached } }),
});

function textOf({ content }: Message): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text = "" }) => text).join("\n");
}
