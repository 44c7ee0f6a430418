// The types of the contract, @dispatch/wire 0.11.0, as this project understands them: what the generated types must be.
// Written by hand, and changed only with the contract.

/** `Fields`, which all are there, and `Options`, which may be left out. */
type Of<Fields, Options = {}> = Flat<Readonly<Fields> & Readonly<Partial<Options>>>;
/** One object type instead of an intersection of several. */
type Flat<T> = { [Key in keyof T]: T[Key] };
type Branded<Name extends string> = string & { readonly __brand: Name };
/** A variant of a union that is told apart by its `type`. */
type Tagged<Tag extends string, Fields, Options = {}> = Of<{ type: Tag } & Fields, Options>;
/** An event of a turn. */
type Event<Tag extends string, Fields = {}, Options = {}> =
  Tagged<Tag, { conversationId: string; turnId: string } & Fields, Options>;

export type Role = "system" | "user" | "assistant" | "tool";
export type TurnId = Branded<"TurnId">;
export type StepId = Branded<"StepId">;

type Call = { toolCallId: string; toolName: string };
type Result = Call & { content: string; isError: boolean };

export type TextChunk = Tagged<"text", { text: string }>;
export type ThinkingChunk = Tagged<"thinking", { text: string }>;
export type ToolCallChunk = Tagged<"tool-call", Call & { input: unknown }, { stepId: StepId }>;
export type ToolResultChunk = Tagged<"tool-result", Result, { stepId: StepId }>;
export type ErrorChunk = Tagged<"error", { message: string }, { code: string }>;
export type SystemChunk = Tagged<"system", { text: string }>;
export type Chunk = TextChunk | ThinkingChunk | ToolCallChunk | ToolResultChunk | ErrorChunk | SystemChunk;

export type ChatMessage = Of<{ role: Role; chunks: readonly Chunk[] }>;
export type StoredChunk = Of<{ seq: number; role: Role; chunk: Chunk }>;

export type ReasoningEffort = "low" | "medium" | "high" | "xhigh" | "max";

type Timing = { ttftMs: number; decodeMs: number; genTotalMs: number };

export type Usage = Of<
  { inputTokens: number; outputTokens: number },
  { cacheReadTokens: number; cacheWriteTokens: number }
>;
export type StepMetrics = Of<{ stepId: StepId; usage: Usage }, Timing>;
export type TurnMetrics = Of<
  { turnId: string; usage: Usage; steps: readonly StepMetrics[] },
  { durationMs: number; contextSize: number }
>;

export type QueuedMessage = Of<{ id: string; text: string; queuedAt: number }>;
export type QueuePayload = Of<{ messages: readonly QueuedMessage[] }>;

export type StatusEvent = Tagged<"status", { conversationId: string; status: string }>;
export type TurnStartEvent = Event<"turn-start">;
export type TurnInputEvent = Event<"user-message", { text: string }>;
export type TurnTextDeltaEvent = Event<"text-delta", { delta: string }>;
export type TurnReasoningDeltaEvent = Event<"reasoning-delta", { delta: string }>;
export type TurnToolCallEvent = Event<"tool-call", Call & { stepId: StepId; input: unknown }>;
export type TurnToolResultEvent = Event<"tool-result", Result & { stepId: StepId }, { durationMs: number }>;
export type TurnToolOutputEvent = Event<
  "tool-output",
  { toolCallId: string; data: string; stream: "stdout" | "stderr" }
>;
export type TurnUsageEvent = Event<"usage", { usage: Usage }, { stepId: StepId }>;
export type TurnStepCompleteEvent = Event<"step-complete", { stepId: StepId }, Timing>;
export type TurnErrorEvent = Event<"error", { message: string }, { code: string }>;
export type TurnDoneEvent = Event<
  "done",
  { reason: string },
  { durationMs: number; usage: Usage; contextSize: number }
>;
export type TurnSealedEvent = Event<"turn-sealed">;
export type TurnSteeringEvent = Event<"steering", { text: string }>;
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

export type ConversationStatus = "active" | "idle" | "closed";
export type ConversationMeta = Of<
  { id: string; createdAt: number; lastActivityAt: number; title: string; status: ConversationStatus },
  { compactedFrom: string }
>;
export type CompactionResult = Of<{
  summary: string;
  newConversationId: string;
  messagesSummarized: number;
  messagesKept: number;
}>;
