// What the compiler says of the workspace's types.

import type { Client, ConversationStatus, DispatchError, SurfaceSpec } from "../src/client.js";
import { type LinkState, type Workspace, createWorkspace } from "../src/workspace.js";
import type { Expect, Same } from "./same.js";

export type Proof = [
  Expect<Same<ReturnType<typeof createWorkspace>, Workspace>>,
  // Whatever takes a client takes a workspace.
  Expect<Workspace extends Client ? true : false>,
  Expect<Same<Workspace["link"], LinkState>>,
];

/** Each handler gets what belongs to its event. */
export function attach(workspace: Workspace): (() => void)[] {
  return [
    workspace.on("link", (link: LinkState) => link.state),
    workspace.on("conversation.statusChanged", ({ status }: { status: ConversationStatus }) => status),
    workspace.on("refused", ({ error, surfaceId }: { error: DispatchError; surfaceId?: string }) => [error, surfaceId]),
    workspace.watchSurface({ surfaceId: "todo", conversationId: undefined }, (spec: SurfaceSpec) => spec.fields),
    // @ts-expect-error it is no event
    workspace.on("conversation.renamed", () => {}),
    // @ts-expect-error it is a state
    workspace.on("link", (link: string) => link),
  ];
}

/** States of the connection are told apart. */
export function words(link: LinkState): string {
  switch (link.state) {
    case "connecting":
    case "open":
      return link.state;
    case "waiting":
      return `again at ${link.until}, for the ${link.attempt}th time`;
    case "refused":
      return link.error.message;
  }
}

export async function refused(workspace: Workspace): Promise<void> {
  // @ts-expect-error an action has a name
  workspace.invoke({ surfaceId: "todo" });
  // @ts-expect-error a deposit is an amount
  await workspace.keys.credit("key", {});
  // @ts-expect-error there is no such period
  await workspace.throughput("year");
}
