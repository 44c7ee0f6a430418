// What goes beyond the contract composes with the contract's own types: extras ride on its messages, and a client that
// asked for extensions can tell its unions apart by `type`, the additional members included.

import type {
  AgentEvent,
  CacheWarmingTimer,
  ChatExtras,
  ChatQueueMessage,
  ChatRequest,
  ChatSendMessage,
  ChatSubscribeMessage,
  Chunk,
  ClientMessage,
  ConversationMeta,
  ConversationOpenMessage,
  EventExtras,
  ExtensionClientMessage,
  ExtensionEvent,
  ExtensionServerMessage,
  ImageChunk,
  ImageInput,
  ModelExtras,
  ModelInfo,
  QueuedMessage,
  QueuedMessageExtras,
  QueueExtras,
  QueueRequest,
  ServerMessage,
  StoredChunk,
  TodoPayload,
  WatchExtras,
  WhenActive,
  WorkspaceExtras,
} from "../src/index.js";
import type { Expect, Same } from "./same.js";

/** The names of fields that exist in both: none, where extras only add. */
type Shared<A, B> = keyof A & keyof B;
type None<T> = [T] extends [never] ? true : "a field is in both";

export type Proof = [
  // Extras add fields and touch none: else the intersection would be a type that nobody meant.
  Expect<None<Shared<ChatRequest, ChatExtras>>>,
  Expect<None<Shared<ChatSendMessage, ChatExtras>>>,
  Expect<None<Shared<ChatSubscribeMessage, WatchExtras>>>,
  Expect<None<Shared<QueueRequest, QueueExtras>>>,
  Expect<None<Shared<ChatQueueMessage, QueueExtras>>>,
  Expect<None<Shared<QueuedMessage, QueuedMessageExtras>>>,
  Expect<None<Shared<ModelInfo, ModelExtras>>>,
  Expect<None<Shared<ConversationMeta, WorkspaceExtras>>>,
  Expect<None<Shared<ConversationOpenMessage, WorkspaceExtras>>>,
  Expect<None<Shared<Extract<AgentEvent, { type: "user-message" }>, EventExtras>>>,

  // What is watched is watched in the same way wherever it is asked for.
  Expect<Same<Pick<ChatExtras, keyof WatchExtras>, WatchExtras>>,
  Expect<Same<WhenActive, "reject" | "queue" | "interrupt">>,
  Expect<Same<NonNullable<ChatExtras["images"]>, readonly ImageInput[]>>,
  Expect<Same<NonNullable<ChatExtras["whenActive"]>, WhenActive>>,

  // The additional members of unions are told apart by their type.
  Expect<None<AgentEvent["type"] & ExtensionEvent["type"]>>,
  Expect<None<Chunk["type"] & ImageChunk["type"]>>,
  Expect<None<ClientMessage["type"] & ExtensionClientMessage["type"]>>,
  Expect<None<ServerMessage["type"] & ExtensionServerMessage["type"]>>,
  Expect<Same<Extract<Chunk | ImageChunk, { type: "image" }>, ImageChunk>>,
];

/** All that a message can say. */
export const send: ChatSendMessage & ChatExtras = {
  type: "chat.send",
  message: "What is this?",
  conversationId: "tour",
  clientMessageId: "m1",
  whenActive: "interrupt",
  images: [{ url: "https://example.com/a.png" }, { url: "data:image/png;base64,iVBORw0KGgo=", mimeType: "image/png" }],
  extensions: true,
  cursor: true,
  turnId: "t1",
  afterEventSeq: 7,
};

/** What a client of the contract sends is still all that is needed. */
export const request: ChatRequest & ChatExtras = { message: "hi" };
export const subscribe: ChatSubscribeMessage & WatchExtras = { type: "chat.subscribe", conversationId: "tour", cursor: true };
export const queue: ChatQueueMessage & QueueExtras = {
  type: "chat.queue",
  conversationId: "tour",
  text: "and",
  clientMessageId: "m1",
  expectedTurnId: "t1",
};
export const cancel: ClientMessage | ExtensionClientMessage = {
  type: "chat.queue.cancel",
  conversationId: "tour",
  messageId: "q1",
};
export const timer: CacheWarmingTimer = { nextWarmAt: null, lastWarmAt: 7 };
export const tasks: TodoPayload = { todos: [{ content: "Tidy up", status: "in_progress" }] };

export const refused: (ChatRequest & ChatExtras)[] = [
  // @ts-expect-error there is no such choice
  { message: "hi", whenActive: "drop" },
  // @ts-expect-error a number
  { message: "hi", afterEventSeq: "7" },
  // @ts-expect-error an image has an address
  { message: "hi", images: [{ mimeType: "image/png" }] },
  // @ts-expect-error a message has a text
  { clientMessageId: "m1" },
];

/** A reader of everything: each branch sees the fields of its own type, and no type is left. */
export function words(heard: (AgentEvent | ExtensionEvent) & EventExtras): string {
  const at = heard.eventSeq === undefined ? "" : `${heard.eventSeq}: `;
  switch (heard.type) {
    case "text-delta":
      return at + heard.delta;
    case "user-message":
    case "steering":
      return at + heard.text + (heard.clientMessageId ?? heard.clientMessageIds?.join() ?? "");
    case "provider-retry":
      return `${at}again in ${heard.delayMs} ms`;
    default:
      return at + heard.type;
  }
}

/** The same for what is stored. */
export function shown(stored: Omit<StoredChunk, "chunk"> & { readonly chunk: Chunk | ImageChunk }): string {
  const chunk = stored.chunk;
  switch (chunk.type) {
    case "image":
      return `${chunk.url} (${chunk.mimeType ?? "of an unknown type"})`;
    case "tool-call":
      return chunk.toolName;
    case "tool-result":
      return chunk.content;
    case "error":
      return chunk.message;
    case "text":
    case "thinking":
    case "system":
      return chunk.text;
    default: {
      const none: never = chunk;
      return none;
    }
  }
}
