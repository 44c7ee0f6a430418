// The scenario of a workspace in a page: a browser without a network, for some time.

import { createWorkspace } from "../../dist/workspace.js";
import { assert, equal, until } from "./checks.js";

const PANEL = { surfaceId: "conversation", conversationId: "scenario-panel" };

export async function workspace({ through, key }, ok) {
  const it = createWorkspace({ baseUrl: through, apiKey: key, reconnectFor: Infinity });
  const states = [];
  const specs = [];
  const deleted = [];
  const leaves = [
    it.on("link", ({ state }) => states.push(state)),
    it.on("conversation.deleted", ({ conversationId }) => deleted.push(conversationId)),
    it.watchSurface(PANEL, (spec) => specs.push(spec)),
  ];
  const percent = () => specs.at(-1)?.fields.find(({ label }) => label === "Compact At");
  await until("a surface", () => percent() !== undefined);
  equal(states, ["connecting", "open"], "its states");
  it.invoke({ ...PANEL, actionId: percent().action.actionId, payload: 40 });
  await until("what an action does", () => percent().value === 40);
  ok("a surface is given, and changed by its action");

  await window.setOffline(true);
  await until("that there is no network", () => states.at(-1) !== "open");
  equal(states[2], "waiting", "its state");
  ok("it waits when there is no network");

  await window.setPercent(PANEL.conversationId, 55);
  await window.setOffline(false);
  await until("what changed meanwhile", () => percent().value === 55);
  await until("its connection", () => it.link.state === "open");
  ok("a surface is given as it is when there is a network again");

  await it.conversations.setTitle("scenario-gone", "Soon gone");
  await it.conversations.delete("scenario-gone");
  await until("that a conversation is gone", () => deleted.includes("scenario-gone"));
  ok("what is beyond the contract is heard again");

  leaves.forEach((leave) => leave());
  assert(it.link.state === "connecting", "its connection is left open");
}
