import type { SessionReceipt } from "@dispatch/client";
import { expect, it } from "vitest";
import { modelsOf, openedAt } from "./sessions";

it("says each model of a session once, and when it began", () => {
  const connections = ["mirage", "small", "mirage"].map((model, index) => {
    return { connection: `c-${index}`, model, openedAt: 1_000 + index, seconds: 1, credits: "0.1" };
  });
  const session: SessionReceipt = { session: "s", key: "a", connections, seconds: 3, credits: "0.3", settled: true };
  expect([modelsOf(session), openedAt(session)]).toEqual(["mirage, small", 1_000]);
});
