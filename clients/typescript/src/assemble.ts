// What a client is made of, for entry points that show more of it.

import type { Client, ClientOptions } from "./client.js";
import { Conversations } from "./conversations/conversations.js";
import { Socket } from "./conversations/socket.js";
import { Sse } from "./conversations/sse.js";
import { DispatchError } from "./error.js";
import { Http } from "./http.js";
import type { Realtime } from "./realtime/realtime.js";
import { orAborted } from "./wait.js";

const DEFAULT_URL = "http://127.0.0.1:24203";
const RECONNECT_FOR = 120_000;

export type Parts = readonly [client: Client, http: Http, line: Socket | Sse];

export function assemble(
  options: ClientOptions,
  sessions: (...parts: ConstructorParameters<typeof Realtime>) => Client["realtime"],
): Parts {
  const {
    apiKey,
    baseUrl = DEFAULT_URL,
    realtimeBaseUrl = baseUrl,
    reconnectFor = RECONNECT_FOR,
    WebSocket: socket = globalThis.WebSocket,
    fetch: fetcher = (...request) => fetch(...request),
  } = options;
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new DispatchError("invalid_input", "the key has characters that no key has");
  }
  const http = new Http(base(baseUrl), apiKey, fetcher);
  const probe = (signal: AbortSignal) => orAborted(http.json("GET", "/models", { isRepeatable: false }), signal);
  const line = socket
    ? new Socket(() => new socket(http.socket("/")), reconnectFor, probe)
    : new Sse(http, reconnectFor);
  const client: Client = {
    conversations: new Conversations(http, line),
    realtime: sessions(http, base(realtimeBaseUrl), socket),
    tokens: { create: (body = {}) => http.json("POST", "/v1/client/tokens", { body }) },
    models: () => http.json("GET", "/models"),
  };
  return [client, http, line];
}

/** An address without a slash at its end. */
function base(url: string): string {
  try {
    const { protocol, origin, pathname } = new URL(url.replace(/^ws/, "http"));
    if (/^https?:$/.test(protocol)) return (origin + pathname).replace(/\/+$/, "");
  } catch {
    // Said below.
  }
  throw new DispatchError("invalid_input", "a server's address begins with http:// or https://");
}
