// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.
//
// The contract: conversations, their history, and the events of a turn.

/** Who produced a message. */
export type Role =
  /** Instructions and summaries that the server put in. */
  | "system"
  /** The person, or the program, that drives the conversation. */
  | "user"
  /** The model. */
  | "assistant"
  /** The result of a tool. */
  | "tool";

/** Opaque identifier for a turn (one user→assistant cycle). */
export type TurnId = string & { readonly __brand: "TurnId" };

/**
 * Opaque identifier for a step (one model round-trip within a turn). Every tool call and tool
 * result of one step carries the same one, live and in history: it is what groups a parallel batch.
 */
export type StepId = string & { readonly __brand: "StepId" };

/** One ordered piece of a message: the atomic unit of the append-only conversation log. */
export type Chunk =
  | TextChunk
  | ThinkingChunk
  | ToolCallChunk
  | ToolResultChunk
  | ErrorChunk
  | SystemChunk;

/** Plain text from the assistant or the user. */
export interface TextChunk {
  readonly type: "text";
  /** The text itself. */
  readonly text: string;
}

/** Reasoning of the model. */
export interface ThinkingChunk {
  readonly type: "thinking";
  /** The reasoning, as far as the provider shows it. */
  readonly text: string;
}

/** A model's request to run a tool. */
export interface ToolCallChunk {
  readonly type: "tool-call";
  /** Pairs the call with its one result. */
  readonly toolCallId: string;
  /** Which tool to run. */
  readonly toolName: string;
  /** The arguments; the raw string when the model's JSON could not be parsed. */
  readonly input: unknown;
  /** The step that produced the call. Absent on chunks from outside a turn. */
  readonly stepId?: StepId;
}

/** The result of a tool. Every call has exactly one, synthesised if it was interrupted. */
export interface ToolResultChunk {
  readonly type: "tool-result";
  /** The call that this answers. */
  readonly toolCallId: string;
  /** The tool that ran. */
  readonly toolName: string;
  /** What the model is told. */
  readonly content: string;
  /** Whether the tool failed. */
  readonly isError: boolean;
  /** The step of the call. */
  readonly stepId?: StepId;
}

/** An error during generation. Kept for people; never sent to a provider. */
export interface ErrorChunk {
  readonly type: "error";
  /** What happened, in a sentence. */
  readonly message: string;
  /** A stable code, or the HTTP status of the provider as a string. */
  readonly code?: string;
}

/** Text that the server put in, kept apart from `text` so that the log records where it came from. */
export interface SystemChunk {
  readonly type: "system";
  /** The text itself. */
  readonly text: string;
}

/** A role and its ordered chunks. */
export interface ChatMessage {
  /** Who produced the message. */
  readonly role: Role;
  /** Its content, in order. */
  readonly chunks: readonly Chunk[];
}

/** A chunk as the log keeps it. */
export interface StoredChunk {
  /**
   * 1-based, gap-free number within the conversation; the cursor of incremental reads. A client that holds only
   * the end of a log knows that older chunks exist when the first seq it has is greater than 1.
   */
  readonly seq: number;
  /** The role of the message that the chunk belongs to. */
  readonly role: Role;
  /** The content. */
  readonly chunk: Chunk;
}

/**
 * How much reasoning the model should spend. Each provider maps a level to its own knob, or ignores it.
 *
 * Resolved per turn: the request's value, else the conversation's, else `high`.
 */
export type ReasoningEffort =
  /** The least. */
  | "low"
  /** Between low and high. */
  | "medium"
  /** What holds when nobody chose. */
  | "high"
  /** More than high. */
  | "xhigh"
  /** All that the model can spend. */
  | "max";

/** Token counters. */
export interface Usage {
  /** Tokens of the whole prompt, those read from and written to a cache included, whatever the provider counts. */
  readonly inputTokens: number;
  /** Tokens that the model produced, reasoning included. */
  readonly outputTokens: number;
  /** How many of the input tokens were read from the provider's prompt cache. Absent if it does not say. */
  readonly cacheReadTokens?: number;
  /** How many of the input tokens were written to the provider's prompt cache. Absent if it does not say. */
  readonly cacheWriteTokens?: number;
}

/** Metrics of a finished step: what its `usage` and `step-complete` events said. */
export interface StepMetrics {
  /** The step. */
  readonly stepId: StepId;
  /** Its tokens; zeros if the provider reported none. */
  readonly usage: Usage;
  /** Milliseconds from the first text or reasoning to the end of the stream. */
  readonly decodeMs?: number;
  /** Milliseconds from the start of the stream to its end: `ttftMs + decodeMs` when those are there. */
  readonly genTotalMs?: number;
  /** Milliseconds from the start of the stream to the first text or reasoning. Absent if there was none. */
  readonly ttftMs?: number;
}

/** Metrics of a sealed turn. */
export interface TurnMetrics {
  /** The turn. */
  readonly turnId: string;
  /** The sum of the steps' tokens. */
  readonly usage: Usage;
  /** The steps, in order. */
  readonly steps: readonly StepMetrics[];
  /**
   * Tokens that the conversation occupies as of this turn: input plus output of its last step. Absent when that
   * step reported no usage.
   */
  readonly contextSize?: number;
  /** Milliseconds from the start of the turn to its end. */
  readonly durationMs?: number;
}

/** A user message in a conversation's queue, waiting to steer the running turn or to start the next one. */
export interface QueuedMessage {
  /** Stable and visible to clients. */
  readonly id: string;
  /** What the client enqueued. */
  readonly text: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly queuedAt: number;
}

/** The payload of the `message-queue` surface: the queue as it is now. */
export interface QueuePayload {
  /** Oldest first; empty when nothing waits. */
  readonly messages: readonly QueuedMessage[];
}

/**
 * The fourteen events of the contract, in the order in which a turn can say them:
 *
 * ```text
 * user-message turn-start
 * ( (reasoning-delta | text-delta | tool-call | tool-output | error)* usage? step-complete
 *   tool-output* tool-result* steering? )+
 * done turn-sealed
 * ```
 */
export type AgentEvent =
  | StatusEvent
  | TurnStartEvent
  | TurnInputEvent
  | TurnTextDeltaEvent
  | TurnReasoningDeltaEvent
  | TurnToolCallEvent
  | TurnToolResultEvent
  | TurnToolOutputEvent
  | TurnUsageEvent
  | TurnStepCompleteEvent
  | TurnErrorEvent
  | TurnDoneEvent
  | TurnSealedEvent
  | TurnSteeringEvent;

/** The status of a conversation changed. In the contract, but never part of a turn. */
export interface StatusEvent {
  readonly type: "status";
  /** The conversation. */
  readonly conversationId: string;
  /** The new status. */
  readonly status: string;
}

/** A turn has begun. */
export interface TurnStartEvent {
  readonly type: "turn-start";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
}

/** The prompt that opened the turn: always the first event, so that a watcher who did not send it sees it. */
export interface TurnInputEvent {
  readonly type: "user-message";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The text exactly as the provider gets it. */
  readonly text: string;
}

/** More text of the answer. */
export interface TurnTextDeltaEvent {
  readonly type: "text-delta";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** To be appended to what came before. */
  readonly delta: string;
}

/** More reasoning. */
export interface TurnReasoningDeltaEvent {
  readonly type: "reasoning-delta";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** To be appended to what came before. */
  readonly delta: string;
}

/** The model asks for a tool to be run. */
export interface TurnToolCallEvent {
  readonly type: "tool-call";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** Shared by all calls of the step. */
  readonly stepId: StepId;
  /** Pairs the call with its result. */
  readonly toolCallId: string;
  /** The tool. */
  readonly toolName: string;
  /** Its arguments. */
  readonly input: unknown;
}

/** A tool has finished. Sent after the step's `step-complete`, in the order of the calls. */
export interface TurnToolResultEvent {
  readonly type: "tool-result";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The step of the call. */
  readonly stepId: StepId;
  /** The call. */
  readonly toolCallId: string;
  /** The tool. */
  readonly toolName: string;
  /** What the model is told. */
  readonly content: string;
  /** Whether the tool failed. */
  readonly isError: boolean;
  /** Milliseconds that the tool itself ran. Absent if it never started. */
  readonly durationMs?: number;
}

/** Output of a running tool. Live only: the log keeps the result. */
export interface TurnToolOutputEvent {
  readonly type: "tool-output";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The call. */
  readonly toolCallId: string;
  /** To be appended to what came before on that stream. */
  readonly data: string;
  /** Where the tool wrote it. */
  readonly stream: "stdout" | "stderr";
}

/** The tokens of a step: once, near its end, never cumulative over steps. */
export interface TurnUsageEvent {
  readonly type: "usage";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** Its tokens. */
  readonly usage: Usage;
  /** The step. */
  readonly stepId?: StepId;
}

/** The provider's stream of a step is over; the timings are final. */
export interface TurnStepCompleteEvent {
  readonly type: "step-complete";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The step. */
  readonly stepId: StepId;
  /** Milliseconds from the first text or reasoning to the end of the stream. */
  readonly decodeMs?: number;
  /** Milliseconds from the start of the stream to its end. */
  readonly genTotalMs?: number;
  /** Milliseconds from the start of the stream to the first text or reasoning. */
  readonly ttftMs?: number;
}

/** Something failed. The turn is not over until `done`. */
export interface TurnErrorEvent {
  readonly type: "error";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** What happened, in a sentence. */
  readonly message: string;
  /** A stable code, or the HTTP status of the provider as a string. */
  readonly code?: string;
}

/** Generation is over. */
export interface TurnDoneEvent {
  readonly type: "done";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** `stop`, `length`, `content_filter`, `aborted`, `error`, `max-steps` or `interrupted`. */
  readonly reason: string;
  /** Tokens that the conversation occupies now: input plus output of the last step. */
  readonly contextSize?: number;
  /** Milliseconds from the start of the turn. */
  readonly durationMs?: number;
  /** The sum of the steps' tokens. Absent if the provider reported none. */
  readonly usage?: Usage;
}

/** All of the turn is on the disk and in the history. */
export interface TurnSealedEvent {
  readonly type: "turn-sealed";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
}

/** Queued messages were handed to the model together with the tool results of a step. */
export interface TurnSteeringEvent {
  readonly type: "steering";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** The texts of all of them, a blank line between. */
  readonly text: string;
}

/** Where a conversation stands. */
export type ConversationStatus =
  /** A turn is running. */
  | "active"
  /** No turn is running. */
  | "idle"
  /** Dismissed by a client: hidden from tab bars, not deleted. The next message brings it back. */
  | "closed";

/** One conversation in the list. */
export interface ConversationMeta {
  /** The conversation. */
  readonly id: string;
  /** When the first thing was written for it, in milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** When the last chunk was appended, in milliseconds since the Unix epoch. */
  readonly lastActivityAt: number;
  /** What a client set, else the beginning of the first user message. */
  readonly title: string;
  /** Where it stands. */
  readonly status: ConversationStatus;
  /** The archive that holds the history from before the last compaction. */
  readonly compactedFrom?: string;
}

/** What a compaction did. */
export interface CompactionResult {
  /** The text that stands for the old messages now. */
  readonly summary: string;
  /** The archive: a closed conversation with the full history. Not one to switch to. */
  readonly newConversationId: string;
  /** How many messages the summary replaced. */
  readonly messagesSummarized: number;
  /** How many recent messages stayed as they were. */
  readonly messagesKept: number;
}
