import { DispatchError, type Models } from "@dispatch/client";
import { expect, test } from "vitest";
import { choices, found, named } from "./choices";
import { ModelList } from "./models.svelte";

const OFFERED: Models = {
  models: ["a/sees", "a/blind", "b/vendor/unknown"],
  modelInfo: { "a/sees": { contextWindow: 200_000, vision: true }, "a/blind": { vision: false } },
};

function server(...answers: readonly (Models | Error)[]) {
  const left = [...answers];
  const asked = { times: 0 };
  const models = async () => {
    asked.times += 1;
    const answer = left.shift()!;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { models, asked };
}

test("the models of a server are read once", async () => {
  const [list, from] = [new ModelList(), server(OFFERED)];
  list.use(from);
  list.use(from);
  expect([list.state, list.all]).toEqual(["loading", []]);
  await expect.poll(() => list.state).toBe("ready");
  expect(list.all).toEqual(OFFERED.models);
  expect(list.info("a/sees")?.contextWindow).toBe(200_000);
  expect([list.info(null), list.info("c/none")]).toEqual([undefined, undefined]);
  expect(from.asked.times).toBe(1);
});

test("a failure is explained, and can be mended", async () => {
  const [list, from] = [new ModelList(), server(new DispatchError("unreachable", "the server cannot be reached"), OFFERED)];
  list.use(from);
  await expect.poll(() => list.state).toBe("failed");
  expect(list.problem?.text).toBe("The server cannot be reached.");
  await list.read(from);
  expect([list.state, list.problem]).toEqual(["ready", undefined]);
});

test("only the answer to the last question counts", async () => {
  let answer!: (models: Models) => void;
  const slow = { models: () => new Promise<Models>((resolve) => (answer = resolve)) };
  const list = new ModelList();
  list.use(slow);
  await list.read(server(OFFERED));
  answer({ models: ["old/one"] });
  await Promise.resolve();
  expect(list.all).toEqual(OFFERED.models);
});

test("images go to models that can see, or of which that is not known", async () => {
  const list = new ModelList();
  // Before anything is known nobody is kept from it.
  expect(list.takesImages(null)).toBe(true);
  await list.read(server(OFFERED));
  expect(["a/sees", "a/blind", "b/vendor/unknown", null].map((name) => list.takesImages(name))).toEqual([
    true,
    false,
    true,
    true,
  ]);
  await list.read(server({ models: ["a/blind"], modelInfo: { "a/blind": { vision: false } } }));
  expect(list.takesImages(null)).toBe(false);
});

test("the model that holds can be seen even if it is not offered", () => {
  expect(choices(OFFERED.models, null).map(({ name }) => name)).toEqual([null, ...OFFERED.models]);
  expect(choices(OFFERED.models, "a/blind")).toHaveLength(4);
  expect(choices(OFFERED.models, "a/gone").at(-1)).toEqual({ name: "a/gone", model: "gone", note: "not offered any more" });
  // Nothing is known yet.
  expect(choices([], "a/gone").at(-1)).toEqual({ name: "a/gone", model: "gone", note: "a" });
});

test("models are found by parts of their names", () => {
  const all = choices(OFFERED.models, null);
  const names = (query: string) => found(all, query).map(({ name }) => name);
  expect(names("")).toHaveLength(4);
  expect(names("VENDOR un")).toEqual(["b/vendor/unknown"]);
  expect(names("a/")).toEqual(["a/sees", "a/blind"]);
  expect(names("default")).toEqual([null]);
  expect(names("nothing")).toEqual([]);
});

test("a name is split at its first slash", () => {
  expect(named("b/vendor/unknown")).toEqual({ credential: "b", model: "vendor/unknown" });
  expect(named("bare")).toEqual({ credential: "", model: "bare" });
});
