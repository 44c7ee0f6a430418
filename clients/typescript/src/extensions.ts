// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.
//
// What goes beyond the contract, each part optional for a client: Extras are fields on messages of the contract
// (`ChatRequest & ChatExtras`); events, chunks and frames come only where extensions were asked for.

import type { ConversationStatus, QueuedMessage } from "./wire.js";

/** Events beyond the contract on a conversation's stream. None is stored. */
export type ExtensionEvent =
  | ProviderRetryEvent
  | ToolStartEvent;

/** A provider call failed before its first content and will be tried again. Not replayed. */
export interface ProviderRetryEvent {
  readonly type: "provider-retry";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** Which retry this is, from 1. */
  readonly attempt: number;
  /** Milliseconds until it starts. */
  readonly delayMs: number;
  /** What failed. */
  readonly message: string;
  /** A stable code, or the HTTP status of the provider as a string. */
  readonly code?: string;
}

/** A tool has started: at its call, or when those have ended that it had to wait for. Replayed to those who join late. */
export interface ToolStartEvent {
  readonly type: "tool-start";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The call. */
  readonly toolCallId: string;
  /** By the clock of the server, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
}

/** What the events of the contract may carry besides. */
export interface EventExtras {
  /** Which try of its step's provider call the event belongs to, from 1, for clients that asked for a cursor. */
  readonly attempt?: number;
  /** On `user-message` and `steering`: the client's own id of the one message that this is. */
  readonly clientMessageId?: string;
  /** On `user-message` and `steering`: the clients' own ids of the messages that were joined into this. */
  readonly clientMessageIds?: readonly string[];
  /**
   * The number of the event in its turn, from 1, for clients that asked for a cursor. Deltas that were merged into
   * one carry the number of the last.
   */
  readonly eventSeq?: number;
  /** On `user-message`: the images that belong to it. */
  readonly images?: readonly MessageImage[];
}

/** An image of a message, as the history will have it. */
export interface MessageImage {
  /** Where it is: `/images/…` on this server, or an address elsewhere. */
  readonly url: string;
  /** For example `image/png`. */
  readonly mimeType?: string;
}

/** What a chunk of the history carries besides, where extensions were asked for. */
export interface StoredChunkExtras {
  /**
   * On a `tool-result`: milliseconds that the tool itself ran, as its event said. Absent if it never started, if the
   * server was killed meanwhile, and on what an older version wrote.
   */
  readonly durationMs?: number;
  /** `true` on a user's `text` that its turn took in while it ran, as its `steering` event said. Absent on all others. */
  readonly steering?: boolean;
  /** The turn that wrote it. Absent on the summary of a compaction. */
  readonly turnId?: string;
}

/** What the metrics of a turn carry besides, where extensions were asked for. */
export interface TurnMetricsExtras {
  /** The model that answered, `credential/model`. */
  readonly model?: string;
  /** Why it ended, as its `done` event said; `interrupted` for one that was found open after a crash. */
  readonly reason?: string;
  /** When the turn began, in milliseconds since the Unix epoch. */
  readonly startedAt?: number;
}

/** What becomes of a message to a conversation whose turn is still running. */
export type WhenActive =
  /** It is refused. */
  | "reject"
  /** It is queued: it steers the running turn, or starts the next one. */
  | "queue"
  /** The running turn is stopped, and the message starts the next one. */
  | "interrupt";

/** An image that comes with a message. */
export interface ImageInput {
  /** A `data:` URL with the image in base64, or an `https:` or `http:` address that the model's provider can reach. */
  readonly url: string;
  /** For example `image/png`. Absent: as the URL says. */
  readonly mimeType?: string;
}

/** An image in the log, as a chunk. Clients that did not ask for extensions find a `text` chunk in its place. */
export interface ImageChunk {
  readonly type: "image";
  /** Where it is: `/images/…` on this server, or an address elsewhere. */
  readonly url: string;
  /** For example `image/png`. */
  readonly mimeType?: string;
}

/** What `POST /chat` and `chat.send` take besides the fields of the contract. */
export interface ChatExtras {
  /**
   * Go on after that event of that turn. If the turn is over, its `turn-sealed` is heard first: its events are
   * history by then.
   */
  readonly afterEventSeq?: number;
  /** The client's own id of the message, unique in the conversation. Sent again, it starts nothing twice. */
  readonly clientMessageId?: string;
  /** Whether events are to carry `eventSeq` and `attempt`. */
  readonly cursor?: boolean;
  /** Whether events beyond the contract are wanted. Holds for the socket from then on. */
  readonly extensions?: boolean;
  /** Images that belong to the message. */
  readonly images?: readonly ImageInput[];
  /** With `afterEventSeq`: the turn that it counts in. */
  readonly turnId?: string;
  /** What becomes of the message while a turn runs. */
  readonly whenActive?: WhenActive;
}

/** What `chat.subscribe` takes besides the fields of the contract. */
export interface WatchExtras {
  /**
   * Go on after that event of that turn. If the turn is over, its `turn-sealed` is heard first: its events are
   * history by then.
   */
  readonly afterEventSeq?: number;
  /** Whether events are to carry `eventSeq` and `attempt`. */
  readonly cursor?: boolean;
  /** Whether events beyond the contract are wanted. Holds for the socket from then on. */
  readonly extensions?: boolean;
  /** With `afterEventSeq`: the turn that it counts in. */
  readonly turnId?: string;
}

/** What `POST /conversations/:id/queue` and `chat.queue` take besides the fields of the contract. */
export interface QueueExtras {
  /** The client's own id of the message, unique in the conversation. Sent again, it is queued once. */
  readonly clientMessageId?: string;
  /** Only if this turn is running. */
  readonly expectedTurnId?: string;
}

/** What a queued message carries besides, where the queue is shown. */
export interface QueuedMessageExtras {
  /** The client's own id of the message, if it gave one. */
  readonly clientMessageId?: string;
}

/** What is known of a model besides. */
export interface ModelExtras {
  /** Whether it takes images. Absent where that is not known. */
  readonly vision?: boolean;
}

/** What the frames `conversation.*` and the entries of the list carry besides. */
export interface WorkspaceExtras {
  /** Which workspace the conversation is in: there is one, `default`. */
  readonly workspaceId: string;
}

/** `GET /conversations/:id/queue`. */
export interface QueueStateResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Oldest first. */
  readonly queue: readonly QueuedMessage[];
}

/** `DELETE /conversations/:id/queue/:messageId`. */
export interface CancelQueuedResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Whether the message was still in the queue. */
  readonly cancelled: boolean;
  /** What is left, oldest first. */
  readonly queue: readonly QueuedMessage[];
}

/** `GET /conversations/:id/status`. */
export interface ConversationStatusResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Whether something runs in it: a turn, or a compaction. */
  readonly isActive: boolean;
  /** As in the list; `idle` for a conversation that does not exist. */
  readonly status: ConversationStatus;
}

/** `GET` and `PUT /conversations/:id/model`. */
export interface ConversationModelResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** `credential/model`; `null` when none was chosen: then the server's default holds. */
  readonly model: string | null;
}

/** The body of `PUT /conversations/:id/model`. */
export interface SetConversationModelRequest {
  /** `credential/model`, or `null` for the server's default. */
  readonly model: string | null;
}

/** `DELETE /conversations/:id`. */
export interface DeleteConversationResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Whether there was one. */
  readonly deleted: boolean;
}

/** How an MCP server does. */
export type McpServerState =
  /** It runs, and its tools are known. */
  | "connected"
  /** It is being started. */
  | "starting"
  /** It failed. */
  | "error"
  /** Nothing has needed it yet. */
  | "not-started"
  /** The configuration switches it off. */
  | "disabled";

/** An MCP server of a conversation's directory. */
export interface McpServerInfo {
  /** From the configuration. */
  readonly id: string;
  /** How it does. */
  readonly state: McpServerState;
  /** How many tools it offers. */
  readonly toolCount: number;
  /** The file that configures it. */
  readonly configSource?: string;
  /** What went wrong. */
  readonly error?: string;
}

/** `GET /conversations/:id/mcp`. */
export interface McpStatusResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** `null` when none was ever set: then the server's own directory holds. */
  readonly cwd: string | null;
  /** The servers of that directory. */
  readonly servers: readonly McpServerInfo[];
}

/** `GET` and `PUT /system-prompt`, and the body of the latter. */
export interface SystemPromptTemplate {
  /** Text with tags: `[type:name]`, `[if type:name]`, `[if !type:name]`, `[else]`, `[endif]`. */
  readonly template: string;
}

/** A variable of the system prompt's template. */
export interface SystemPromptVariable {
  /** What stands before the colon. */
  readonly type: string;
  /** What stands after it. */
  readonly name: string;
  /** What it is replaced by. */
  readonly description: string;
  /** Whether any name will do, as with the path of a file. */
  readonly dynamic?: boolean;
}

/** `GET /system-prompt/variables`. */
export interface SystemPromptVariablesResponse {
  /** All there are. */
  readonly variables: readonly SystemPromptVariable[];
}

/** How far a task is. */
export type TodoStatus =
  /** Not begun. */
  | "pending"
  /** Being worked on. */
  | "in_progress"
  /** Done. */
  | "completed"
  /** No longer wanted. */
  | "cancelled";

/** A task on a conversation's list. */
export interface Todo {
  /** What is to be done; not empty. */
  readonly content: string;
  /** How far it is. */
  readonly status: TodoStatus;
}

/** The payload of the `todo` surface: the list as it is now. */
export interface TodoPayload {
  /** In the model's order. */
  readonly todos: readonly Todo[];
}

/** The payload of the timer on the `cache-warming` surface. */
export interface CacheWarmingTimer {
  /** When the next warming is due, in milliseconds since the Unix epoch; `null` when none is. */
  readonly nextWarmAt: number | null;
  /** When the last one was done; `null` when none was. */
  readonly lastWarmAt: number | null;
}

/** A frame beyond the contract, from a client to the server. */
export type ExtensionClientMessage =
  | ChatQueueCancelMessage;

/** Take a message out of the queue. No answer; nothing happens when it is not there any more. */
export interface ChatQueueCancelMessage {
  readonly type: "chat.queue.cancel";
  /** The conversation. */
  readonly conversationId: string;
  /** The message's id in the queue. */
  readonly messageId: string;
}

/** A frame beyond the contract, from the server to clients that asked for extensions. */
export type ExtensionServerMessage =
  | ConversationDeletedMessage
  | ConversationTitleChangedMessage;

/** A conversation is gone. */
export interface ConversationDeletedMessage {
  readonly type: "conversation.deleted";
  /** Which. */
  readonly conversationId: string;
}

/** Somebody has set the title of a conversation, which may be new. */
export interface ConversationTitleChangedMessage {
  readonly type: "conversation.titleChanged";
  /** Which. */
  readonly conversationId: string;
  /** What it is called now. */
  readonly title: string;
}

/** Body of `POST /v1/client/tokens`. Everything may be left out, and so may the body. */
export interface ClientTokenRequest {
  /** The models that it opens, at most 20. Absent, it opens all; empty, none. */
  readonly allowedModels?: readonly string[];
  /**
   * The origins of pages that may use it, each `scheme://host` or `scheme://host:port`, at most 20. Absent, all may,
   * and so may clients that are no page.
   */
  readonly allowedOrigins?: readonly string[];
  /** Bounds on what it opens. */
  readonly constraints?: ClientTokenConstraints;
  /** How long the token opens connections, in seconds: from 1 to 3600, and 60 if nothing is said. */
  readonly expiresIn?: number;
  /** Whatever the caller likes. It is taken, so that its clients work, and is not kept. */
  readonly metadata?: { readonly [key: string]: unknown };
}

/** Bounds on what a client token opens. */
export interface ClientTokenConstraints {
  /** Of realtime sessions. */
  readonly realtime?: RealtimeConstraints;
}

/** Bounds on the realtime sessions of a client token. */
export interface RealtimeConstraints {
  /** How long a connection may last, in seconds: at least 10. */
  readonly maxSessionDuration?: number;
}

/** Answer of `POST /v1/client/tokens`. */
export interface ClientTokenResponse {
  /** The token: `ek_…`. It is shown this once. */
  readonly apiKey: string;
  /** When it opens nothing any more: ISO 8601, in UTC. What is open by then goes on. */
  readonly expiresAt: string;
  /** The bounds that were asked for. */
  readonly constraints?: ClientTokenConstraints;
  /** What it is limited to, if it is. */
  readonly permissions?: ClientTokenPermissions;
}

/** What a client token is limited to. */
export interface ClientTokenPermissions {
  /** The models that it opens. */
  readonly models?: readonly string[];
  /** The origins of pages that may use it. */
  readonly origins?: readonly string[];
}

/** Answer of status 422, as clients of the contract read it, and with the error as everywhere else. */
export interface InvalidFieldsBody {
  /** What is wrong, in a sentence. */
  readonly error: string;
  /** `invalid-request` or `invalid-json`. */
  readonly code: string;
  /** Each field that is wrong. */
  readonly detail: readonly InvalidField[];
}

/** A field of a request that cannot be taken. */
export interface InvalidField {
  /** What kind of mistake it is: `json_invalid`, `type_error` or `value_error`. */
  readonly type: string;
  /** Where it is: `body`, and the names of fields. */
  readonly loc: readonly string[];
  /** What it has to be. */
  readonly msg: string;
}

/** Answer of `GET /v1/sessions`. */
export interface SessionListResponse {
  /** The newest first. */
  readonly sessions: readonly SessionReceipt[];
}

/** What a session cost: all its connections, whether or not anybody was listening when they ended. */
export interface SessionReceipt {
  /** The session. */
  readonly session: string;
  /** The id of the key that pays. */
  readonly key: string;
  /** In the order in which they were opened. A client that comes back opens another one. */
  readonly connections: readonly ConnectionReceipt[];
  /** The billed seconds of all connections. */
  readonly seconds: number;
  /** What they cost. */
  readonly credits: string;
  /** Whether no connection is open: then nothing more is charged, unless the client comes back. */
  readonly settled: boolean;
  /** Why the last connection ended. Absent while one is open. */
  readonly reason?: string;
}

/** What a connection of a session cost. */
export interface ConnectionReceipt {
  /** The connection: the `session_id` that its client was told. */
  readonly connection: string;
  /** The model. */
  readonly model: string;
  /** Milliseconds since the Unix epoch. */
  readonly openedAt: number;
  /** How many seconds are billed. */
  readonly seconds: number;
  /** What they cost. */
  readonly credits: string;
  /** Milliseconds since the Unix epoch. Absent while it is open. */
  readonly endedAt?: number;
  /** Why it ended. Absent while it is open. */
  readonly reason?: string;
}

/** Answer of `GET /v1/realtime/models`. */
export interface RealtimeModelsResponse {
  /** By name. Empty where the server has no realtime sessions. */
  readonly models: readonly RealtimeModel[];
}

/** A model of realtime sessions. */
export interface RealtimeModel {
  /** As sessions ask for it. */
  readonly name: string;
  /** Of its pictures, in pixels. */
  readonly width: number;
  /** Of its pictures, in pixels. */
  readonly height: number;
  /** The most pictures of it a second. */
  readonly fps: number;
  /** What a second of generation costs. */
  readonly creditsPerSecond: string;
}

/**
 * Answer of `GET /metrics/realtime`: what realtime sessions hold at this moment. When everybody has left, all but the
 * tasks is 0.
 */
export interface RealtimeMetricsResponse {
  /** Sessions, from their admission until they are settled. */
  readonly sessions: number;
  /** Media connections, to those who produce and those who watch, up or not yet. */
  readonly connections: number;
  /** Entries of the tables by which packets find their connection. */
  readonly routes: number;
  /** Tasks of the whole server: a few for itself, and some for each socket, media connection and turn. */
  readonly tasks: number;
}

/** Whether a key can run out of credits. */
export type KeyFunds =
  /** It uses what was added to its balance. */
  | "prepaid"
  /** It never runs out: its balance says what it owes. */
  | "unlimited";

/** A key, without its secret. */
export interface ApiKey {
  /** Names it, and opens nothing. `local` is what is used by the keys of the configuration, or without any. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Whether it can run out. */
  readonly funds: KeyFunds;
  /** What was added, less what was charged. */
  readonly balance: string;
  /** How much of the balance is held for seconds in flight. */
  readonly held: string;
  /** Milliseconds since the Unix epoch, if it was revoked. */
  readonly revokedAt?: number;
}

/** Answer of `GET /v1/keys/:id`. */
export interface KeyResponse {
  /** Names it, and opens nothing. `local` is what is used by the keys of the configuration, or without any. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Whether it can run out. */
  readonly funds: KeyFunds;
  /** What was added, less what was charged. */
  readonly balance: string;
  /** How much of the balance is held for seconds in flight. */
  readonly held: string;
  /** What was ever charged to it. */
  readonly spent: string;
  /** Milliseconds since the Unix epoch, if it was revoked. */
  readonly revokedAt?: number;
}

/** Answer of `GET /v1/keys`. */
export interface KeyListResponse {
  /** In the order in which they were made; revoked ones too. */
  readonly keys: readonly ApiKey[];
}

/** Body of `POST /v1/keys`. Everything may be left out, and so may the body. */
export interface CreateKeyRequest {
  /** What its balance begins with; nothing if nothing is said. A number is taken as well. */
  readonly credits?: string;
  /** For people, at most 256 bytes. */
  readonly name?: string;
  /** Whether it never runs out. Not together with `credits`. */
  readonly unlimited?: boolean;
}

/** Answer of `POST /v1/keys`. */
export interface CreateKeyResponse {
  /** The key. */
  readonly key: ApiKey;
  /** What its holder presents: `dsp_…`. It is shown this once, and the server keeps no copy. */
  readonly secret: string;
}

/** Body of `POST /v1/keys/:id/credit`. */
export interface CreditKeyRequest {
  /** How much to add; below zero, how much to take off. A number is taken as well. */
  readonly credits: string;
  /** Names the deposit, in at most 256 bytes: sent again, it adds nothing. Without it, every call adds. */
  readonly depositId?: string;
  /** For people, at most 256 bytes. */
  readonly note?: string;
}

/** Answer of `GET /v1/usage`. */
export interface UsageResponse {
  /** The first day, in UTC: `YYYY-MM-DD`. */
  readonly from: string;
  /** The last day. */
  readonly to: string;
  /** By day, key and model. */
  readonly usage: readonly UsageRow[];
}

/** What a key used of a model on a day. */
export interface UsageRow {
  /** In UTC: `YYYY-MM-DD`. */
  readonly day: string;
  /** The id of the key that paid. */
  readonly key: string;
  /** The model; empty if nobody chose one. */
  readonly model: string;
  /** Billed seconds of generation. */
  readonly seconds: number;
  /** Steps of turns. */
  readonly steps: number;
  /** Tokens of prompts, those from a cache included. */
  readonly inputTokens: number;
  /** Tokens of prompts that were read from a cache. */
  readonly cachedTokens: number;
  /** Tokens that the model produced. */
  readonly outputTokens: number;
  /** What all that cost. */
  readonly credits: string;
}
