import { expect, test } from "vitest";
import { isRunning, wordsOf } from "./phases";

test("phases have words, and pictures that stand still are said to", () => {
  expect(wordsOf("generating").title).toBe("Generating");
  expect(wordsOf("generating", { isStalled: true }).title).toBe("No pictures");
  expect(wordsOf("reconnecting", { isStalled: true }).title).toBe("Reconnecting");
  expect(wordsOf("connecting").empty).toBe("Connecting…");
  expect(wordsOf("connecting", { trouble: "The server cannot be reached." }).empty).toBe(
    "The server cannot be reached. Trying again…",
  );
  const running = (["idle", "connecting", "connected", "generating", "reconnecting", "ended"] as const).filter(isRunning);
  expect(running).toEqual(["connecting", "connected", "generating", "reconnecting"]);
});
