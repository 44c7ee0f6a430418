import { type ApiKey, DispatchError, type UsageRow } from "@dispatch/client";
import type { UsageQuery, Workspace } from "@dispatch/client/workspace";
import { describe, expect, it } from "vitest";
import { FIRST } from "./part";
import { row } from "./rows.fixture";
import { UsageModel, namesOf } from "./usage.svelte";

const NOW = Date.UTC(2026, 10, 21, 12);

/** A server whose answers the test gives when it likes. */
class Server {
  readonly asked: { query: UsageQuery; answer: (rows: readonly UsageRow[]) => void; fail: (error: unknown) => void }[] = [];
  keys: () => Promise<readonly ApiKey[]> = async () => [];
  readonly workspace = {
    usage: (query: UsageQuery) =>
      new Promise((resolve, reject) => {
        const answer = (usage: readonly UsageRow[]) => resolve({ from: query.from, to: query.to, usage });
        this.asked.push({ query, answer, fail: reject });
        query.signal?.addEventListener("abort", () => reject(query.signal?.reason));
      }),
    keys: { list: () => this.keys() },
  } as unknown as Workspace;
}

const key = (id: string, name: string): ApiKey => ({ id, name, createdAt: 0, funds: "prepaid", balance: "0", held: "0" });

describe("usage", () => {
  it("is read with as many days before, and told apart from them", async () => {
    const server = new Server();
    const model = new UsageModel(server.workspace, () => NOW);
    const reading = model.read({ ...FIRST, days: 7, key: "key_1" });
    expect(server.asked[0]?.query).toMatchObject({ from: "2026-11-08", to: "2026-11-21", key: "key_1" });
    expect([model.isReading, model.usage]).toEqual([true, undefined]);
    const of = (day: string) => row(day, "key_1", "m");
    const [old, first, last] = [of("2026-11-14"), of("2026-11-15"), of("2026-11-21")];
    server.asked[0]?.answer([old, first, last]);
    await reading;
    expect(model.usage).toMatchObject({ span: { from: "2026-11-15", to: "2026-11-21" }, rows: [first, last], earlier: [old] });
    expect([model.isReading, model.error]).toEqual([false, undefined]);
  });

  it("is that of the newest question, whatever is answered last", async () => {
    const server = new Server();
    const model = new UsageModel(server.workspace, () => NOW);
    const first = model.read(FIRST);
    const second = model.read({ ...FIRST, days: 7 });
    expect(server.asked[0]?.query.signal?.aborted).toBe(true);
    await first;
    expect(model.isReading).toBe(true);
    server.asked[1]?.answer([]);
    await second;
    server.asked[0]?.answer([row("2026-11-21", "k", "m")]);
    expect(model.usage?.rows).toEqual([]);
    expect(model.error).toBeUndefined();
  });

  it("stays when it cannot be read again, and says why", async () => {
    const server = new Server();
    const model = new UsageModel(server.workspace, () => NOW);
    const first = model.read(FIRST);
    server.asked[0]?.answer([row("2026-11-21", "k", "m")]);
    await first;
    const second = model.read(FIRST);
    const error = new DispatchError("unreachable", "the server cannot be reached");
    server.asked[1]?.fail(error);
    await second;
    expect([model.usage?.rows.length, model.error, model.isReading]).toEqual([1, error, false]);
    const third = model.read(FIRST);
    server.asked[2]?.answer([]);
    await third;
    expect(model.error).toBeUndefined();
  });

  it("is read quietly, unless somebody waits", async () => {
    const server = new Server();
    const model = new UsageModel(server.workspace, () => NOW);
    const quiet = model.read(FIRST, { isQuiet: true });
    expect(model.isReading).toBe(false);
    server.asked[0]?.answer([]);
    await quiet;
    const loud = model.read(FIRST);
    const second = model.read(FIRST, { isQuiet: true });
    await loud;
    expect(model.isReading).toBe(true);
    server.asked[2]?.answer([]);
    await second;
    expect(model.isReading).toBe(false);
  });
});

describe("keys", () => {
  it("are known to the operator alone, and others are told apart from those who cannot be reached", async () => {
    const server = new Server();
    const model = new UsageModel(server.workspace);
    server.keys = () => Promise.reject(new DispatchError("unreachable", "gone"));
    await model.readKeys();
    expect(model.isOperator).toBeUndefined();
    server.keys = () => Promise.reject(new DispatchError("operator-only", "no", { status: 403 }));
    await model.readKeys();
    expect(model.isOperator).toBe(false);
    server.keys = async () => [key("key_1", "shop")];
    await model.readKeys();
    expect([model.isOperator, model.names.key("key_1"), model.names.key("key_2")]).toEqual([true, "shop", "key_2"]);
  });

  it("of the same name are told apart by their id", () => {
    const shops = [key("key_aaaa1111", "shop"), key("key_bbbb2222", "shop")];
    const names = namesOf([...shops, key("key_cccc3333", ""), key("local", "this machine")]);
    expect(["key_aaaa1111", "key_bbbb2222", "key_cccc3333", "local"].map(names.key)).toEqual([
      "shop (1111)",
      "shop (2222)",
      "key_cccc3333",
      "local",
    ]);
    expect([names.model("demo/demo"), names.model("")]).toEqual(["demo/demo", "No model"]);
  });
});
