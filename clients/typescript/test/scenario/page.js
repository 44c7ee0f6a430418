// What the browser runs of the scenario: `window.checks` by name, each with what it is given and whom it tells what is so.

import { conversation } from "./conversation.js";
import { checks } from "./realtime.js";
import { workspace } from "./workspace.js";

window.checks = {
  ...checks,
  "a conversation": (given, ok) => conversation({ ...given, cut: window.cut }, ok),
  "a workspace": workspace,
};
