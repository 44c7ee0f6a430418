// Watching by server-sent events, where there is no WebSocket: a request for each conversation.

import { mayPass } from "../error.js";
import { type Http, segment } from "../http.js";
import { Backoff, sleep } from "../wait.js";
import type { TurnEvent } from "./events.js";
import type { Feed } from "./feed.js";
import { lines } from "./lines.js";
import type { Line } from "./socket.js";

/** A server says something every 15 seconds, so one that is silent for so long is gone. In milliseconds. */
const SILENCE = 45_000;

export class Sse implements Line {
  readonly #http: Http;
  readonly #patience: number;
  readonly #open = new Map<Feed, AbortController>();

  constructor(http: Http, patience: number) {
    this.#http = http;
    this.#patience = patience;
  }

  open(feed: Feed): void {
    const controller = new AbortController();
    this.#open.set(feed, controller);
    this.#follow(feed, controller.signal).catch((error) => {
      this.#open.delete(feed);
      if (!controller.signal.aborted) feed.fail(error);
    });
  }

  close(feed: Feed): void {
    this.#open.get(feed)?.abort();
    this.#open.delete(feed);
  }

  async #follow(feed: Feed, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#patience);
    for (;;) {
      try {
        await this.#read(feed, signal, backoff);
      } catch (error) {
        if (!mayPass(error)) throw error;
      }
      feed.wasLost = true;
      await sleep(backoff.next(), signal);
    }
  }

  async #read(feed: Feed, signal: AbortSignal, backoff: Backoff): Promise<void> {
    const { position } = feed;
    const response = await this.#http.open("GET", `/conversations/${segment(feed.id)}/events`, {
      query: { extensions: true },
      headers: position ? { "last-event-id": `${position.turnId}:${position.eventSeq}` } : {},
      signal,
    });
    backoff.reset();
    feed.opened();
    let eventSeq = 0;
    for await (const line of lines(response, SILENCE)) {
      if (line.startsWith("id: ")) eventSeq = Number(line.slice(line.lastIndexOf(":") + 1));
      if (line.startsWith("data: ")) feed.take({ ...(JSON.parse(line.slice(6)) as TurnEvent), eventSeq });
    }
  }
}
