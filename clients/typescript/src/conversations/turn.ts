// A message, and the turn that it starts.

import { DispatchError, mayPass } from "../error.js";
import type { ChatExtras } from "../extensions.js";
import { type Http, segment } from "../http.js";
import type { ChatRequest, LastMessageResponse } from "../transport.js";
import { Backoff, sleep } from "../wait.js";
import { Cursor, type GapEvent, type Position, type TurnEvent, from } from "./events.js";
import { lines } from "./lines.js";

/** A message to a conversation. Without `conversationId` the conversation is new; without `clientMessageId` one is made. */
export type Message = ChatRequest & Pick<ChatExtras, "clientMessageId" | "images" | "whenActive">;

/** A message whose ids are known, so that it can be sent again without starting anything twice. */
export type Named = Message & Required<Pick<Message, "conversationId" | "clientMessageId">>;

/** How long a turn whose connection was lost is looked for, in milliseconds. */
const PATIENCE = 60_000;

/** Sends a message, and again while the server does not answer. With status 202 the answer is the queue, else a turn. */
export function post(
  http: Http,
  message: Named,
  signal: AbortSignal | undefined,
  after?: Position | undefined,
): Promise<Response> {
  const body = { ...message, ...from(after) };
  return http.repeated(true, signal, () => http.open("POST", "/chat", { body, signal }));
}

/** The events of a turn, as they come. */
export async function* events(response: Response): AsyncGenerator<TurnEvent, void> {
  for await (const line of lines(response)) {
    const event = JSON.parse(line) as TurnEvent;
    // Said of a turn that does not exist: the message was refused.
    if (event.type === "error" && event.code === "turn-active") {
      throw new DispatchError(event.code, event.message, { status: 409, permanent: true });
    }
    yield event;
  }
}

/**
 * A message and the events of its turn, from `user-message` to `turn-sealed`. The message is sent when the first event is
 * asked for. The turn is the server's: to stop reading, or to lose the connection, does not end it. A connection that is
 * lost is made anew and goes on with the next event.
 */
export class Turn implements AsyncIterable<TurnEvent | GapEvent> {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly #http: Http;
  readonly #message: Named;
  readonly #signal: AbortSignal | undefined;

  /** @internal */
  constructor(http: Http, message: Named, signal: AbortSignal | undefined) {
    this.conversationId = message.conversationId;
    this.clientMessageId = message.clientMessageId;
    this.#http = http;
    this.#message = message;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TurnEvent | GapEvent, void> {
    const cursor = new Cursor();
    const backoff = new Backoff(PATIENCE);
    for (;;) {
      const response = await post(this.#http, this.#message, this.#signal, cursor.position);
      if (response.status === 202) throw new DispatchError("turn-active", "the message is queued", { status: 202 });
      try {
        for await (const event of events(response)) {
          backoff.reset();
          const { isNew, isGap } = cursor.take(event);
          if (isGap) yield { type: "gap", conversationId: this.conversationId };
          if (isNew) yield event;
          if (event.type === "turn-sealed") return;
        }
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (!mayPass(error)) throw error;
      }
      await sleep(backoff.next(), this.#signal);
    }
  }

  /** Waits for the turn's end: the last text of the answer. Fails if the turn did. */
  async text(): Promise<string> {
    let text = "";
    let isNext = false;
    for await (const event of this) {
      switch (event.type) {
        case "text-delta":
          text = isNext ? event.delta : text + event.delta;
          isNext = false;
          break;
        case "step-complete":
          isNext = true;
          break;
        case "error":
          throw new DispatchError(event.code ?? "internal", event.message, { permanent: true });
        case "gap": {
          const path = `/conversations/${segment(this.conversationId)}/last`;
          return (await this.#http.json<LastMessageResponse>("GET", path)).content;
        }
      }
    }
    return text;
  }
}
