import type { SessionReceipt } from "@dispatch/client";
import { expect, test } from "vitest";
import { Sessions, isOf, isResumable, times } from "./sessions.svelte";

const receipt: SessionReceipt = {
  session: "s-1",
  key: "local",
  seconds: 5,
  credits: "0.1",
  settled: true,
  reason: "interrupted",
  connections: [
    { connection: "s-1", model: "mirage", openedAt: 1_000, endedAt: 4_000, seconds: 3, credits: "0.06", reason: "error" },
    { connection: "c-2", model: "mirage", openedAt: 5_000, endedAt: 9_000, seconds: 2, credits: "0.04", reason: "interrupted" },
  ],
};

test("a session lasts from its first connection to the end of its last one", () => {
  expect(times(receipt)).toEqual({ began: 1_000, ended: 9_000 });
  expect(times({ ...receipt, settled: false })).toEqual({ began: 1_000, ended: undefined });
});

test("it can be gone on with for a quarter of an hour, unless it was ended for good or runs", () => {
  expect([908_999, 909_000].map((now) => isResumable(receipt, now))).toEqual([true, false]);
  expect(isResumable({ ...receipt, reason: "deleted_by_operator" }, 9_000)).toBe(false);
  expect(isResumable({ ...receipt, settled: false }, 9_000)).toBe(false);
});

test("it is known by the ids of all its connections", () => {
  expect(["s-1", "c-2", "c-3", undefined].map((id) => isOf(receipt, id))).toEqual([true, true, false, false]);
});

test("what was read stays when it cannot be read again, and what is late does not count", async () => {
  const sessions = new Sessions();
  const answers: ((answer: readonly SessionReceipt[] | Error) => void)[] = [];
  const workspace = {
    sessions: {
      list: () =>
        new Promise<readonly SessionReceipt[]>((resolve, reject) => {
          answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
        }),
    },
  };
  const [first, second] = [sessions.read(workspace), sessions.read(workspace)];
  answers[1]!([receipt]);
  await second;
  answers[0]!([]);
  await first;
  expect([sessions.state, sessions.all]).toEqual(["ready", [receipt]]);
  const third = sessions.read(workspace);
  answers[2]!(new Error("gone"));
  await third;
  expect([sessions.state, sessions.all]).toEqual(["failed", [receipt]]);
  const fourth = sessions.read({ ...workspace });
  expect([sessions.state, sessions.all]).toEqual(["loading", []]);
  answers[3]!([]);
  await fourth;
});
