import type { SessionReceipt } from "@dispatch/client";
import { describe, expect, it } from "vitest";
import { lastOf, modelsOf, openedAt } from "./sessions";

const session = (session: string, key: string, models: readonly string[] = ["mirage"]): SessionReceipt => ({
  session,
  key,
  connections: models.map((model, index) => {
    return { connection: `${session}-${index}`, model, openedAt: 1_000 + index, seconds: 1, credits: "0.1" };
  }),
  seconds: models.length,
  credits: "0.1",
  settled: true,
});

describe("the last sessions of a key", () => {
  it("are its own, the newest first, and not all of them", () => {
    const all = Array.from({ length: 40 }, (_, index) => session(`s${index}`, index % 2 ? "a" : "b"));
    expect(lastOf(all, "a").map(({ session }) => session)).toEqual(["s1", "s3", "s5", "s7", "s9", "s11", "s13", "s15", "s17", "s19"]);
    expect(lastOf(all, "c")).toEqual([]);
  });

  it("say each of their models once, and when they began", () => {
    const one = session("s", "a", ["mirage", "small", "mirage"]);
    expect([modelsOf(one), openedAt(one)]).toEqual(["mirage, small", 1_000]);
  });
});
