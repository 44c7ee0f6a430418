import { type KeyResponse, DispatchError } from "@dispatch/client";
import { expect, it } from "vitest";
import { Own } from "./own.svelte";

const key = (change: Partial<KeyResponse> = {}): KeyResponse => ({
  id: "key_1",
  name: "shop",
  createdAt: 0,
  funds: "prepaid",
  balance: "12.5",
  held: "0.5",
  spent: "100",
  ...change,
});

/** A server that answers with those keys, one after another; with none of them left, it refuses. */
const workspace = (...answers: KeyResponse[]) => ({
  keys: {
    self: async () => answers.shift() ?? Promise.reject(new DispatchError("operator-only", "no", { status: 403 })),
  },
});

it("is the balance without what is held", async () => {
  const own = new Own();
  expect(own.left).toBeUndefined();
  await own.read(workspace(key()));
  expect([own.key?.id, own.left]).toEqual(["key_1", "12"]);
});

it("is nothing of keys that never run out", async () => {
  const own = new Own();
  await own.read(workspace(key({ funds: "unlimited", balance: "-3" })));
  expect([own.key?.id, own.left]).toEqual(["key_1", undefined]);
});

it("stays when it cannot be read again, and is not that of another key", async () => {
  const own = new Own();
  const one = workspace(key());
  await own.read(one);
  await own.read(one);
  expect(own.left).toBe("12");
  await own.read(workspace());
  expect([own.key, own.left]).toEqual([undefined, undefined]);
});

it("is what was asked for last", async () => {
  const own = new Own();
  const answers: ((key: KeyResponse) => void)[] = [];
  const slow = { keys: { self: () => new Promise<KeyResponse>((resolve) => answers.push(resolve)) } };
  const readings = [own.read(slow), own.read(slow)];
  answers[1]!(key({ balance: "2" }));
  answers[0]!(key({ balance: "1" }));
  await Promise.all(readings);
  expect(own.left).toBe("1.5");
});
