// Requests to a server, with a key.

import { DispatchError, fromAnswer, mayPass } from "./error.js";
import { Backoff, sleep } from "./wait.js";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  readonly query?: Query | undefined;
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Whether doing it twice is as good as once, so that it may be tried again when the server did not answer. Of GET and PUT it is. */
  readonly isRepeatable?: boolean;
}

/** For how long requests that got no answer are sent again, in milliseconds. */
const PATIENCE = 10_000;

export class Http {
  readonly #base: string;
  readonly #key: string | undefined;
  readonly #fetch: typeof fetch;

  constructor(base: string, key: string | undefined, fetcher: typeof fetch) {
    this.#base = base;
    this.#key = key;
    this.#fetch = fetcher;
  }

  /** The JSON of an answer. */
  async json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const { isRepeatable = method === "GET" || method === "PUT", signal } = call;
    return this.repeated(isRepeatable, signal, async () => (await this.open(method, path, call)).json() as Promise<T>);
  }

  /** Does it again while the server does not answer, if it may be done again. */
  async repeated<T>(isRepeatable: boolean, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    const backoff = new Backoff(PATIENCE);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        signal?.throwIfAborted();
        const told = this.told(error);
        if (!isRepeatable || !mayPass(told)) throw told;
        await sleep(backoff.next(told), signal);
      }
    }
  }

  /** An answer that is a success, with its body still to come. */
  async open(method: string, path: string, { query, body, headers, signal }: Call): Promise<Response> {
    const request: RequestInit = {
      method,
      headers: {
        ...headers,
        ...(this.#key && { authorization: `Bearer ${this.#key}` }),
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: signal ?? null,
    };
    let response: Response;
    try {
      response = await this.#fetch(this.#base + path + search(query), request);
    } catch (error) {
      throw signal?.aborted ? signal.reason : this.told(error);
    }
    if (response.ok) return response;
    throw await fromAnswer(response);
  }

  /** The address of a WebSocket. There is a key in it. */
  socket(path: string, query: Query = {}, base = this.#base): string {
    return base.replace(/^http/, "ws") + path + search({ api_key: this.#key, ...query });
  }

  /** What a request fails with that got no answer, or only a part of one. */
  told(error: unknown): unknown {
    if (error instanceof DispatchError) return error;
    // Its own words can have in them what was sent.
    const code = (error as { cause?: { code?: string } } | undefined)?.cause?.code;
    return new DispatchError("unreachable", `the server cannot be reached${code ? `: ${code}` : ""}`);
  }
}

/** A query, without what is undefined. */
function search(query: Query = {}): string {
  const text = String(new URLSearchParams(JSON.parse(JSON.stringify(query)) as Record<string, string>));
  return text && `?${text}`;
}

/** A part of a path. */
export const segment: (text: string) => string = encodeURIComponent;
