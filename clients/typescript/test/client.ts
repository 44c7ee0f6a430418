// What the compiler says of the client's types.

import {
  type Client,
  type ConversationEvent,
  type DispatchError,
  type RealtimeClient,
  type RealtimeViewer,
  type SessionReceipt,
  type TurnEvent,
  createClient,
} from "../src/client.js";
import type { Expect, Same } from "./same.js";

export type Proof = [
  Expect<Same<ReturnType<typeof createClient>, Client>>,
  Expect<Same<Awaited<ReturnType<RealtimeClient["receipt"]>>, SessionReceipt>>,
  Expect<Same<Awaited<ReturnType<Client["realtime"]["connect"]>>, RealtimeClient>>,
  Expect<Same<RealtimeClient["sessionId"], string | null>>,
];

/** Each handler gets what belongs to its event. */
export function attach(session: RealtimeClient): void {
  session.on(
    "connectionChange",
    (state: "disconnected" | "connecting" | "connected" | "generating" | "reconnecting") => state,
  );
  session.on("generationTick", ({ seconds, credits }: { seconds: number; credits?: string }) => [seconds, credits]);
  session.on("error", (error: DispatchError) => error.code);
  // @ts-expect-error it is no event
  session.on("generationEnded", () => {});
  // @ts-expect-error it is a text
  session.on("connectionChange", (state: number) => state);
}

/** A viewer changes nothing. */
export function view(viewer: RealtimeViewer): void {
  // @ts-expect-error only who sends the video can
  viewer.setPrompt("mirror");
}

/** The events are told apart by their type, and carry their number. */
export function said(event: ConversationEvent): string {
  switch (event.type) {
    case "text-delta":
      return event.delta;
    case "provider-retry":
      return `again in ${event.delayMs} ms`;
    case "gap":
    case "conversation.compacted":
    case "conversation.deleted":
      return event.conversationId;
    default: {
      const ofTurn: TurnEvent = event;
      return `${ofTurn.eventSeq ?? 0}`;
    }
  }
}

export async function refused(client: Client, camera: MediaStream): Promise<void> {
  // @ts-expect-error a model is needed
  await client.realtime.connect(camera, {});
  // @ts-expect-error a message has a text
  client.conversations.stream({ conversationId: "tour" });
  // @ts-expect-error what is queued has no turn to stream yet
  client.conversations.stream({ message: "later", whenActive: "queue" });
  // @ts-expect-error there is no such level
  await client.conversations.setReasoningEffort("tour", "some");
}
