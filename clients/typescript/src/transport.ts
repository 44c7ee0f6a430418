// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.
//
// The bodies of HTTP requests and answers, and the frames of the WebSocket.

import type { SurfaceCatalogEntry, SurfaceSpec } from "./surface.js";
import type { AgentEvent, ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort, StoredChunk, TurnMetrics } from "./wire.js";

/** The body of every HTTP answer that is not a success. */
export interface ErrorBody {
  /** What happened and, where there is something to do, what to do. */
  readonly error: string;
  /** Which kind of error it is: the text of an `ErrorCode`. Absent from servers that do not know codes. */
  readonly code?: string;
}

/** The stable names of the errors that a user can meet. `docs/errors.md` has a paragraph on each. */
export type ErrorCode =
  /** The body or frame is not JSON, or not a JSON object. */
  | "invalid-json"
  /** A field is missing or has a value that it cannot have. */
  | "invalid-request"
  /** The body is larger than the configured limit. */
  | "body-too-large"
  /** No route has that path, or not with that method; or there is nothing of that name. */
  | "not-found"
  /** The request named a host or came from an origin that this server does not answer. */
  | "forbidden-origin"
  /** The request brought no key, or a wrong one. */
  | "unauthorized"
  /** The key is good, and what was asked for is the operator's alone. */
  | "operator-only"
  /** The key has no credits left. The name is that of the contract of realtime sessions. */
  | "insufficient_credits"
  /** A turn is already running in that conversation. */
  | "turn-active"
  /** Another turn than the one that was meant is running, or none. */
  | "turn-mismatch"
  /** The conversation is active: a turn runs in it. */
  | "conversation-active"
  /** The conversation cannot be compacted now, for the reason that the text gives; nothing was changed. */
  | "compaction-refused"
  /** The prompt cache cannot be warmed now, for the reason that the text gives. */
  | "warm-refused"
  /** No configured credential serves a model of that name. */
  | "unknown-model"
  /** The type of a WebSocket frame is not known. */
  | "unknown-message"
  /** No surface has that id. */
  | "unknown-surface"
  /** The surface has no action of that id. */
  | "unknown-action"
  /** The action of a surface could not be done, or not with that payload. */
  | "action-failed"
  /** The log could not be read or written: a full disk, an I/O error, a damaged file. */
  | "store-failed"
  /** The server is stopping and starts no more turns. */
  | "shutting-down"
  /** The provider could not be reached, or the connection broke. */
  | "provider-unreachable"
  /** The provider refused the key. */
  | "provider-unauthorized"
  /** The provider answered that there were too many requests. */
  | "provider-rate-limited"
  /** The provider refused the request, or failed while it answered. */
  | "provider-failed"
  /** The provider sent something that is not what its protocol says. */
  | "provider-protocol"
  /** The provider's stream ended before it said that it was finished. */
  | "provider-stream-ended"
  /** The provider sent nothing for too long. */
  | "provider-stalled"
  /** Something failed that should not have; the log has more. */
  | "internal";

/** `GET /health`. */
export interface HealthResponse {
  /** Always true: a server that is not well does not answer. */
  readonly ok: boolean;
}

/** `GET /models`. */
export interface ModelsResponse {
  /** Names of the form `credential/model`, unique, in the order of the configuration. */
  readonly models: readonly string[];
  /** By name. Absent when nothing is known of any. */
  readonly modelInfo?: { readonly [key: string]: ModelInfo };
}

/** What is known of a model. */
export interface ModelInfo {
  /** Tokens that a prompt and its answer may have together. */
  readonly contextWindow?: number;
}

/** The body of `POST /chat`, and the fields of `chat.send`. */
export interface ChatRequest {
  /** The prompt; must have something in it besides white space, which is trimmed. */
  readonly message: string;
  /** The conversation to continue or to create. Absent: the server mints an id. */
  readonly conversationId?: string;
  /** The directory that tools work in; kept for the conversation's later turns. */
  readonly cwd?: string;
  /** `credential/model`. Absent: the conversation's last model, else the server's default. */
  readonly model?: string;
  /** For this turn only. */
  readonly reasoningEffort?: ReasoningEffort;
}

/** The body of `POST /chat/warm`. */
export interface WarmRequest {
  /** The conversation whose prefix is to be kept in the provider's cache. */
  readonly conversationId: string;
  /** As in `ChatRequest`. */
  readonly cwd?: string;
  /** As in `ChatRequest`. */
  readonly model?: string;
}

/** `POST /chat/warm`. */
export interface WarmResponse {
  /** Tokens of the prompt. */
  readonly inputTokens: number;
  /** Tokens of the answer. */
  readonly outputTokens: number;
  /** Tokens read from the cache. */
  readonly cacheReadTokens: number;
  /** Tokens written to the cache. */
  readonly cacheWriteTokens: number;
  /** Percent of the prompt that came from the cache, 0 to 100. */
  readonly cachePct: number;
  /** Percent of the cached tokens that were read rather than written, 0 to 100. */
  readonly expectedCacheRate: number;
}

/** `GET /conversations`. */
export interface ConversationListResponse {
  /** The last active first. */
  readonly conversations: readonly ConversationMeta[];
}

/** `GET /conversations/:id`. */
export interface ConversationHistoryResponse {
  /** Ascending by seq; of sealed turns only. */
  readonly chunks: readonly StoredChunk[];
  /** The seq of the last chunk here, or the requested `sinceSeq` when there is none. */
  readonly latestSeq: number;
}

/** `GET /conversations/:id/metrics`. */
export interface ConversationMetricsResponse {
  /** Sealed turns, oldest first. */
  readonly turns: readonly TurnMetrics[];
}

/** `GET /conversations/:id/last`. */
export interface LastMessageResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** The last text of the last assistant message; empty when there is none. */
  readonly content: string;
  /** The turn that was waited for. */
  readonly turnId?: string;
}

/** `POST /conversations/:id/stop` and `POST /conversations/:id/close`. */
export interface StopResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Whether a turn was running. */
  readonly abortedTurn: boolean;
}

/** The body of `POST /conversations/:id/queue`. */
export interface QueueRequest {
  /** Must have something in it besides white space, which is trimmed. */
  readonly text: string;
}

/** `POST /conversations/:id/queue`. */
export interface QueueResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Whether the text started a turn because none was running. */
  readonly startedTurn: boolean;
  /** The queue after this; empty when a turn was started. */
  readonly queue: readonly QueuedMessage[];
}

/** The body of `PUT /conversations/:id/cwd`. */
export interface SetCwdRequest {
  /** Not empty; relative to the server's own directory. */
  readonly cwd: string;
}

/** `GET` and `PUT /conversations/:id/cwd`. */
export interface CwdResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** `null` when none was ever set. */
  readonly cwd: string | null;
}

/** The body of `PUT /conversations/:id/reasoning-effort`. */
export interface SetReasoningEffortRequest {
  /** The level for later turns. */
  readonly reasoningEffort: ReasoningEffort;
}

/** `GET` and `PUT /conversations/:id/reasoning-effort`. */
export interface ReasoningEffortResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** `null` when none was ever set: then `high` holds. */
  readonly reasoningEffort: ReasoningEffort | null;
}

/** The body of `PUT /conversations/:id/title`. */
export interface SetTitleRequest {
  /** Must have something in it besides white space, which is trimmed. */
  readonly title: string;
}

/** `GET` and `PUT /conversations/:id/title`. */
export interface TitleResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Its title. */
  readonly title: string;
}

/** `POST /conversations/:id/open`. */
export interface OpenConversationResponse {
  /** The conversation. */
  readonly conversationId: string;
}

/** The body of `POST /conversations/:id/compact`. */
export interface CompactRequest {
  /** How many recent messages stay; 10 when absent. */
  readonly keepLastN?: number;
  /** The model that writes the summary. */
  readonly modelName?: string;
}

/** `POST /conversations/:id/compact`. */
export interface CompactResponse {
  /** The conversation; it keeps its id. */
  readonly conversationId: string;
  /** The archive. */
  readonly newConversationId: string;
  /** How many messages the summary replaced. */
  readonly messagesSummarized: number;
  /** How many stayed. */
  readonly messagesKept: number;
}

/** The body of `PUT /conversations/:id/compact-percent`: one of the two. */
export interface SetCompactPercentRequest {
  /** As in `CompactPercentResponse`. */
  readonly percent?: number;
  /** The same number under the name that the contract's published types use. */
  readonly threshold?: number;
}

/** `GET` and `PUT /conversations/:id/compact-percent`. */
export interface CompactPercentResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** Percent of the model's context window at which a conversation is compacted; 0 means never by itself. */
  readonly percent: number;
  /** The same number under the name that the contract's published types use. */
  readonly threshold: number;
}

/** A period of the throughput report. */
export type ThroughputPeriod =
  /** A calendar day. */
  | "day"
  /** The ISO week around a day. */
  | "week"
  /** A calendar month. */
  | "month";

/** `GET /metrics/throughput`. */
export interface ThroughputResponse {
  /** As requested. */
  readonly period: ThroughputPeriod;
  /** As requested: `YYYY-MM-DD`, or `YYYY-MM` for a month. */
  readonly date: string;
  /** Start of the period, server-local midnight, in milliseconds since the Unix epoch; included. */
  readonly start: number;
  /** End of the period; not included. */
  readonly end: number;
  /** The fastest first. */
  readonly models: readonly ModelThroughput[];
}

/** One model in the throughput report. */
export interface ModelThroughput {
  /** `credential/model`. */
  readonly model: string;
  /** All output tokens over all seconds of generation. */
  readonly tokensPerSecond: number;
  /** Output tokens in the period. */
  readonly totalOutputTokens: number;
  /** Milliseconds of generation in the period; tools not counted. */
  readonly totalGenMs: number;
  /** Turns in the period. */
  readonly turns: number;
}

/** How a language server does. */
export type LspServerState =
  /** It runs and has been initialised. */
  | "connected"
  /** It is being started. */
  | "starting"
  /** It failed. */
  | "error"
  /** Nothing has needed it yet. */
  | "not-started";

/** A language server of a conversation's directory. */
export interface LspServerInfo {
  /** From the configuration. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** The project root it serves. */
  readonly root: string;
  /** The file extensions it serves. */
  readonly extensions: readonly string[];
  /** How it does. */
  readonly state: LspServerState;
  /** What went wrong. */
  readonly error?: string;
}

/** `GET /conversations/:id/lsp`. */
export interface LspStatusResponse {
  /** The conversation. */
  readonly conversationId: string;
  /** `null` when none was ever set. */
  readonly cwd: string | null;
  /** The servers of that directory. */
  readonly servers: readonly LspServerInfo[];
}

/** A frame from a client to the server. One JSON object each, in a text frame. */
export type ClientMessage =
  | SurfaceSubscribeMessage
  | SurfaceUnsubscribeMessage
  | SurfaceInvokeMessage
  | ChatSendMessage
  | ChatSubscribeMessage
  | ChatUnsubscribeMessage
  | ChatQueueMessage;

/** Watch a surface: answered with `surface` now and `update` on every change. */
export interface SurfaceSubscribeMessage {
  readonly type: "subscribe";
  /** From the catalog. */
  readonly surfaceId: string;
  /** Which conversation's, for a surface that has one for each. */
  readonly conversationId?: string;
}

/** Stop watching a surface. No answer. */
export interface SurfaceUnsubscribeMessage {
  readonly type: "unsubscribe";
  /** As subscribed. */
  readonly surfaceId: string;
  /** As subscribed. */
  readonly conversationId?: string;
}

/** Run an action of a surface. The effect shows as an `update`; a failure is answered with `error`. */
export interface SurfaceInvokeMessage {
  readonly type: "invoke";
  /** From the catalog. */
  readonly surfaceId: string;
  /** From the field. */
  readonly actionId: string;
  /** Which conversation's. */
  readonly conversationId?: string;
  /** The new value; absent for a button. */
  readonly payload?: unknown;
}

/** Start a turn and watch the conversation. */
export interface ChatSendMessage {
  readonly type: "chat.send";
  /** The prompt; must have something in it besides white space, which is trimmed. */
  readonly message: string;
  /** The conversation to continue or to create. Absent: the server mints an id. */
  readonly conversationId?: string;
  /** The directory that tools work in; kept for the conversation's later turns. */
  readonly cwd?: string;
  /** `credential/model`. Absent: the conversation's last model, else the server's default. */
  readonly model?: string;
  /** For this turn only. */
  readonly reasoningEffort?: ReasoningEffort;
}

/** Watch a conversation: the turn in flight is replayed from its first event, then live. */
export interface ChatSubscribeMessage {
  readonly type: "chat.subscribe";
  /** Any id; one that does not exist yet is fine. */
  readonly conversationId: string;
}

/** Stop watching. Never touches the turn. */
export interface ChatUnsubscribeMessage {
  readonly type: "chat.unsubscribe";
  /** As subscribed. */
  readonly conversationId: string;
}

/** Steer the running turn, or start one. */
export interface ChatQueueMessage {
  readonly type: "chat.queue";
  /** The conversation. */
  readonly conversationId: string;
  /** Trimmed, like a message. */
  readonly text: string;
}

/** A frame from the server to a client. */
export type ServerMessage =
  | CatalogMessage
  | SurfaceMessage
  | SurfaceUpdateMessage
  | SurfaceErrorMessage
  | ChatDeltaMessage
  | ChatErrorMessage
  | ConversationOpenMessage
  | ConversationStatusChangedMessage
  | ConversationCompactedMessage;

/** What surfaces there are: always the first frame. */
export interface CatalogMessage {
  readonly type: "catalog";
  /** May be empty. */
  readonly catalog: readonly SurfaceCatalogEntry[];
}

/** A surface as it is now. */
export interface SurfaceMessage {
  readonly type: "surface";
  /** The whole of it. */
  readonly spec: SurfaceSpec;
  /** As subscribed. */
  readonly conversationId?: string;
}

/** A surface has changed. */
export interface SurfaceUpdateMessage {
  readonly type: "update";
  /** What it is now. */
  readonly update: SurfaceUpdate;
}

/** A frame could not be served. */
export interface SurfaceErrorMessage {
  readonly type: "error";
  /** What is wrong. */
  readonly message: string;
  /** Which kind of error. */
  readonly code?: string;
  /** The surface it was about. */
  readonly surfaceId?: string;
}

/** One event of a turn, live or replayed. */
export interface ChatDeltaMessage {
  readonly type: "chat.delta";
  /** The event. */
  readonly event: AgentEvent;
}

/** A `chat.*` frame could not be served. */
export interface ChatErrorMessage {
  readonly type: "chat.error";
  /** What is wrong. */
  readonly message: string;
  /** Which kind of error. */
  readonly code?: string;
  /** The conversation it was about. */
  readonly conversationId?: string;
}

/** Someone asks every client to show a conversation. */
export interface ConversationOpenMessage {
  readonly type: "conversation.open";
  /** Which. */
  readonly conversationId: string;
}

/** The status of a conversation has changed. Goes to every socket. */
export interface ConversationStatusChangedMessage {
  readonly type: "conversation.statusChanged";
  /** Which. */
  readonly conversationId: string;
  /** What it is now. */
  readonly status: ConversationStatus;
}

/** A conversation's history was replaced by a summary and its recent messages: read it anew. */
export interface ConversationCompactedMessage {
  readonly type: "conversation.compacted";
  /** Which; it keeps its id. */
  readonly conversationId: string;
  /** The archive. */
  readonly newConversationId: string;
  /** How many messages the summary replaced. */
  readonly messagesSummarized: number;
  /** How many stayed. */
  readonly messagesKept: number;
}

/** The content of an `update` frame. */
export interface SurfaceUpdate {
  /** Which surface. */
  readonly surfaceId: string;
  /** The whole of it, as it is now. */
  readonly spec: SurfaceSpec;
  /** As subscribed. */
  readonly conversationId?: string;
}
