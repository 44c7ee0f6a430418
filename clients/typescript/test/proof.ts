// The generated types are the contract's: one line for each type. `cargo xtask test typescript` also checks that no name
// is missing here.

import type * as Wire from "../src/wire.js";
import type * as Contract from "./contract.js";
import type { Expect, Same } from "./same.js";

export type Proof = [
  Expect<Same<Wire.Role, Contract.Role>>,
  Expect<Same<Wire.TurnId, Contract.TurnId>>,
  Expect<Same<Wire.StepId, Contract.StepId>>,
  Expect<Same<Wire.Chunk, Contract.Chunk>>,
  Expect<Same<Wire.TextChunk, Contract.TextChunk>>,
  Expect<Same<Wire.ThinkingChunk, Contract.ThinkingChunk>>,
  Expect<Same<Wire.ToolCallChunk, Contract.ToolCallChunk>>,
  Expect<Same<Wire.ToolResultChunk, Contract.ToolResultChunk>>,
  Expect<Same<Wire.ErrorChunk, Contract.ErrorChunk>>,
  Expect<Same<Wire.SystemChunk, Contract.SystemChunk>>,
  Expect<Same<Wire.ChatMessage, Contract.ChatMessage>>,
  Expect<Same<Wire.StoredChunk, Contract.StoredChunk>>,
  Expect<Same<Wire.ReasoningEffort, Contract.ReasoningEffort>>,
  Expect<Same<Wire.Usage, Contract.Usage>>,
  Expect<Same<Wire.StepMetrics, Contract.StepMetrics>>,
  Expect<Same<Wire.TurnMetrics, Contract.TurnMetrics>>,
  Expect<Same<Wire.QueuedMessage, Contract.QueuedMessage>>,
  Expect<Same<Wire.QueuePayload, Contract.QueuePayload>>,
  Expect<Same<Wire.AgentEvent, Contract.AgentEvent>>,
  Expect<Same<Wire.StatusEvent, Contract.StatusEvent>>,
  Expect<Same<Wire.TurnStartEvent, Contract.TurnStartEvent>>,
  Expect<Same<Wire.TurnInputEvent, Contract.TurnInputEvent>>,
  Expect<Same<Wire.TurnTextDeltaEvent, Contract.TurnTextDeltaEvent>>,
  Expect<Same<Wire.TurnReasoningDeltaEvent, Contract.TurnReasoningDeltaEvent>>,
  Expect<Same<Wire.TurnToolCallEvent, Contract.TurnToolCallEvent>>,
  Expect<Same<Wire.TurnToolResultEvent, Contract.TurnToolResultEvent>>,
  Expect<Same<Wire.TurnToolOutputEvent, Contract.TurnToolOutputEvent>>,
  Expect<Same<Wire.TurnUsageEvent, Contract.TurnUsageEvent>>,
  Expect<Same<Wire.TurnStepCompleteEvent, Contract.TurnStepCompleteEvent>>,
  Expect<Same<Wire.TurnErrorEvent, Contract.TurnErrorEvent>>,
  Expect<Same<Wire.TurnDoneEvent, Contract.TurnDoneEvent>>,
  Expect<Same<Wire.TurnSealedEvent, Contract.TurnSealedEvent>>,
  Expect<Same<Wire.TurnSteeringEvent, Contract.TurnSteeringEvent>>,
  Expect<Same<Wire.ConversationStatus, Contract.ConversationStatus>>,
  Expect<Same<Wire.ConversationMeta, Contract.ConversationMeta>>,
  Expect<Same<Wire.CompactionResult, Contract.CompactionResult>>,
];
