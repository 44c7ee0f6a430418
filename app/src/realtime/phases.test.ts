import { expect, test } from "vitest";
import { isRunning, wordsOf } from "./phases";

test("phases have words, and pictures that stand still are said to", () => {
  expect(wordsOf("generating").title).toBe("Generating");
  expect(wordsOf("generating", true).title).toBe("No pictures");
  expect(wordsOf("reconnecting", true).title).toBe("Reconnecting");
  const running = (["idle", "connecting", "connected", "generating", "reconnecting", "ended"] as const).filter(isRunning);
  expect(running).toEqual(["connecting", "connected", "generating", "reconnecting"]);
});
