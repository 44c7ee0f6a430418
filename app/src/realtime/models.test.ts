import type { RealtimeModel } from "@dispatch/client";
import { beforeEach, expect, test } from "vitest";
import { Models } from "./models.svelte";

const all: readonly RealtimeModel[] = ["echo", "mirage"].map((name) => ({
  name,
  width: 640,
  height: 360,
  fps: 25,
  creditsPerSecond: "0",
}));

beforeEach(() => localStorage.clear());

test("the usual model is chosen, then the first one, and what was chosen is remembered", async () => {
  const models = new Models();
  expect([models.state, models.chosen]).toEqual(["loading", undefined]);
  await models.read({ realtimeModels: async () => all });
  expect([models.state, models.chosen?.name]).toEqual(["ready", "mirage"]);
  await models.read({ realtimeModels: async () => all.slice(0, 1) });
  expect(models.chosen?.name).toBe("echo");
  await models.read({ realtimeModels: async () => all });
  models.choose("echo");
  expect(models.chosen?.name).toBe("echo");
  const again = new Models();
  await again.read({ realtimeModels: async () => all });
  expect(again.chosen?.name).toBe("echo");
});

test("what cannot be read is said, and what was there stays", async () => {
  const models = new Models();
  const workspace = { realtimeModels: async () => all };
  await models.read(workspace);
  workspace.realtimeModels = () => Promise.reject(new Error("gone"));
  await models.read(workspace);
  expect([models.state, models.error, models.all]).toEqual(["failed", new Error("gone"), all]);
  // Those of another key are not there.
  await models.read({ ...workspace });
  expect([models.state, models.all]).toEqual(["failed", []]);
});
