// When the ledger is worth another look.

import type { Workspace } from "@dispatch/client/workspace";

/** For how long turns that end one after another are waited for, in milliseconds. */
const PAUSE = 1_000;
/** How often it is looked whatever was heard: nobody is told of the seconds of realtime sessions. In milliseconds. */
const INTERVAL = 10_000;

/**
 * Runs it soon after turns have ended somewhere, and now and then, until the returned function is called. Many turns at a
 * time count as one.
 */
export function onCharged(workspace: Workspace, run: () => void): () => void {
  const interval = setInterval(run, INTERVAL);
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
    clearInterval(interval);
    clearTimeout(timer);
    leave();
  };
}
