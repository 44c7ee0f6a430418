import { type ApiKey, DispatchError } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { describe, expect, it } from "vitest";
import { KeysModel } from "./keys.svelte";

const key = (id: string, balance = "0"): ApiKey => ({ id, name: id, createdAt: 0, funds: "prepaid", balance, held: "0" });

/** A server with keys, which fails once with what it is told to fail with. */
function fake() {
  const state = { keys: [key("a"), key("b")] as readonly ApiKey[], failure: undefined as DispatchError | undefined };
  const answer = async <T>(value: () => T): Promise<T> => {
    const { failure } = state;
    state.failure = undefined;
    if (failure) throw failure;
    return value();
  };
  const keys: Omit<Workspace["keys"], "self"> = {
    list: () => answer(() => state.keys),
    create: ({ name = "" } = {}) => answer(() => ({ key: key(name), secret: "dsp_x" })),
    credit: (id, { credits }) => answer(() => key(id, credits)),
    revoke: (id) => answer(() => void (state.keys = state.keys.map((key) => (key.id === id ? { ...key, revokedAt: 5 } : key)))),
  };
  return { state, model: new KeysModel({ keys } as Workspace) };
}

describe("keys", () => {
  it("are read, made, credited and revoked", async () => {
    const { model } = fake();
    expect(model.state).toBe("reading");
    await model.read();
    expect([model.state, model.keys.map(({ id }) => id)]).toEqual(["ready", ["a", "b"]]);
    expect((await model.create({ name: "c" })).secret).toBe("dsp_x");
    await model.credit("b", { credits: "12.5" });
    expect(model.keys.map(({ id, balance }) => [id, balance])).toEqual([["a", "0"], ["b", "12.5"], ["c", "0"]]);
    await model.revoke("a");
    expect(model.keys.map(({ revokedAt }) => revokedAt)).toEqual([5, undefined]);
  });

  it("are the operator's", async () => {
    const { state, model } = fake();
    state.failure = new DispatchError("operator-only", "no", { status: 403 });
    await model.read();
    expect([model.state, model.error]).toEqual(["closed", undefined]);
  });

  it("stay when they cannot be read again", async () => {
    const { state, model } = fake();
    const failure = new DispatchError("unreachable", "gone");
    state.failure = failure;
    await model.read();
    expect([model.state, model.error]).toEqual(["failed", failure]);
    await model.read();
    state.failure = failure;
    await model.read();
    expect([model.state, model.error, model.keys.length]).toEqual(["ready", failure, 2]);
  });

  it("are as they were changed last, whatever was asked for before and is answered later", async () => {
    const answers: ((keys: readonly ApiKey[]) => void)[] = [];
    const list = () => new Promise((resolve) => answers.push(resolve));
    const credit = async (id: string, { credits }: { credits: string }) => key(id, credits);
    const model = new KeysModel({ keys: { list, credit } } as unknown as Workspace);
    const readings = [model.read(), model.read()];
    answers[1]!([key("a", "1")]);
    await readings[1];
    answers[0]!([key("old")]);
    await readings[0];
    expect(model.keys).toEqual([key("a", "1")]);
    readings.push(model.read());
    await model.credit("a", { credits: "9" });
    answers[2]!([key("a", "1")]);
    await readings[2];
    expect(model.keys).toEqual([key("a", "9")]);
  });

  it("are as they were when a change fails", async () => {
    const { state, model } = fake();
    await model.read();
    const before = model.keys;
    for (const change of [() => model.create({}), () => model.credit("a", { credits: "1" }), () => model.revoke("a")]) {
      state.failure = new DispatchError("store-failed", "full", { status: 500 });
      await expect(change()).rejects.toThrow("full");
      expect(model.keys).toBe(before);
    }
  });
});
