// Text that comes in lines.

import { DispatchError } from "../error.js";
import { orAborted } from "../wait.js";

/** The lines of an answer as they come. Fails if the connection breaks, or if nothing comes for so many milliseconds. */
export async function* lines(response: Response, silence?: number): AsyncGenerator<string, void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const read = silence === undefined ? reader.read() : orAborted(reader.read(), AbortSignal.timeout(silence));
      const { done, value } = await read.catch(() => {
        throw new DispatchError("unreachable", "the connection to the server was lost");
      });
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop()!;
      yield* parts;
    }
  } finally {
    // Whoever stops reading hangs up.
    reader.cancel().catch(() => {});
  }
}
