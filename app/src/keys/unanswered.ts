// Requests whose answer did not come.

import { DispatchError } from "@dispatch/client";

/** Whether what was asked for may have been done although it failed: the answer was lost, and not a refusal. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof DispatchError && error.status === undefined;
}
