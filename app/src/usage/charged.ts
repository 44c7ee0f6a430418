// When the ledger is worth another look.

import type { Workspace } from "@dispatch/client/workspace";

/** For how long turns that end one after another are waited for, in milliseconds. */
const PAUSE = 1_000;

/** Runs it soon after turns have ended somewhere, until the returned function is called. Many at a time count as one. */
export function onCharged(workspace: Workspace, run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const leave = workspace.on("conversation.statusChanged", ({ status }) => {
    // The first one decides when: where turns end all the time, it must not be put off for ever.
    if (status === "active" || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      run();
    }, PAUSE);
  });
  return () => {
    clearTimeout(timer);
    leave();
  };
}
