// The client of a Dispatch server: conversations with agents, and realtime sessions.

import { assemble } from "./assemble.js";
import type { Conversations } from "./conversations/conversations.js";
import type { ClientTokenRequest, ClientTokenResponse, ModelExtras } from "./extensions.js";
import { Realtime } from "./realtime/realtime.js";
import type { ModelInfo } from "./transport.js";

export type { Conversations, HistoryQuery, Sent, Waiting } from "./conversations/conversations.js";
export type { ConversationEvent, GapEvent, TurnEvent } from "./conversations/events.js";
export {
  EMPTY as EMPTY_TRANSCRIPT,
  type Entry,
  type History,
  type HistoryChunk,
  type LiveTurn,
  type Transcript,
  reduce,
  withHistory,
  withOlder,
} from "./conversations/transcript.js";
export type { Message, Turn } from "./conversations/turn.js";
export type { Handler } from "./emitter.js";
export { DispatchError, type DispatchErrorCode, type ErrorDetails } from "./error.js";
export type { GenerationTick, RealtimeEvents } from "./realtime/driver.js";
export type { State as ConnectionState } from "./realtime/connection.js";
export type { FaultCode } from "./realtime/error.js";
export type { ImageSource } from "./realtime/image.js";
export type { Mirror } from "./realtime/mirror.js";
export type { Retry, Timeouts } from "./realtime/options.js";
export type { ConnectOptions, Realtime, SubscribeOptions, ViewOptions } from "./realtime/realtime.js";
export type { ImageOptions, LookInput, RealtimeClient, RealtimeViewer } from "./realtime/session.js";
export type * from "./index.js";

export interface ClientOptions {
  /** A key, or a client token. Not needed where the server has no keys. */
  readonly apiKey?: string;
  /** Where the server is: `http://127.0.0.1:24203` if nothing is said. */
  readonly baseUrl?: string;
  /** Where realtime sessions are, if that is somewhere else. */
  readonly realtimeBaseUrl?: string;
  /** For how long watchers look for a server that is gone, in milliseconds: two minutes if nothing is said. */
  readonly reconnectFor?: number;
  /** Another `fetch` than the global one. */
  readonly fetch?: typeof fetch;
  /** Another `WebSocket` than the global one; `null` for none: conversations are watched by server-sent events then. */
  readonly WebSocket?: typeof WebSocket | null;
}

/** What a server can be asked for. Nothing of the key can be seen in it. */
export interface Client {
  readonly conversations: Conversations;
  readonly realtime: Pick<Realtime, keyof Realtime>;
  /** Keys that can be given away. */
  readonly tokens: {
    /** Makes a client token: for a page, good for a minute if nothing is said, and for realtime sessions only. */
    readonly create: (options?: ClientTokenRequest) => Promise<ClientTokenResponse>;
  };
  /** The models of conversations, by name. */
  readonly models: () => Promise<Models>;
}

export interface Models {
  readonly models: readonly string[];
  readonly modelInfo?: { readonly [name: string]: ModelInfo & ModelExtras };
}

/** Makes a client. Nothing is asked of the server yet. */
export function createClient(options: ClientOptions = {}): Client {
  return assemble(options, (...parts) => new Realtime(...parts))[0];
}
