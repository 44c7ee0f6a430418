import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Emitter } from "../../dist/emitter.js";

function heard(emitter, ...names) {
  const all = [];
  for (const name of names) emitter.on(name, (value) => all.push([name, value]));
  return all;
}

test("all handlers that are attached in the same go hear what happened before, in order", async () => {
  const emitter = new Emitter();
  emitter.emit("state", "connecting");
  emitter.emit("tick", 1);
  emitter.emit("state", "generating");
  const all = heard(emitter, "tick", "state");
  emitter.emit("tick", 2);
  assert.deepEqual(all, [], "nothing is delivered in the same turn of the event loop");
  await sleep(5);
  assert.deepEqual(all, [
    ["state", "connecting"],
    ["tick", 1],
    ["state", "generating"],
    ["tick", 2],
  ]);
  emitter.emit("tick", 3);
  assert.deepEqual(all.at(-1), ["tick", 3], "from then on, events are delivered as they come");
});

test("beyond a thousand events the oldest ticks are forgotten, and nothing else", async () => {
  const emitter = new Emitter("tick");
  emitter.emit("state", "generating");
  for (let second = 1; second <= 1_500; second += 1) emitter.emit("tick", second);
  emitter.emit("error", "gone");
  const all = heard(emitter, "tick", "state", "error");
  await sleep(5);
  assert.equal(all.length, 1_000);
  assert.deepEqual(
    [all[0], all[1], all.at(-2), all.at(-1)],
    [
      ["state", "generating"],
      ["tick", 503],
      ["tick", 1_500],
      ["error", "gone"],
    ],
  );
});

test("a callback that fails stops no other, and is reported", async (context) => {
  const reported = context.mock.method(console, "error", () => {});
  const emitter = new Emitter();
  emitter.on("tick", () => {
    throw new Error("mine");
  });
  emitter.on("tick", async () => {
    throw new Error("mine, later");
  });
  const all = heard(emitter, "tick");
  emitter.emit("tick", 1);
  await sleep(5);
  emitter.emit("tick", 2);
  assert.deepEqual(all, [
    ["tick", 1],
    ["tick", 2],
  ]);
  await sleep(0);
  assert.equal(reported.mock.callCount(), 4);
});

test("a handler that is taken away hears nothing more, also while events are being delivered", async () => {
  const emitter = new Emitter();
  const all = [];
  const second = (value) => all.push(["second", value]);
  emitter.on("tick", (value) => {
    all.push(["first", value]);
    emitter.off("tick", second);
  });
  emitter.on("tick", second);
  emitter.emit("tick", 1);
  await sleep(5);
  emitter.off("tick", () => {});
  emitter.emit("tick", 2);
  assert.deepEqual(all, [
    ["first", 1],
    ["first", 2],
  ]);
});

test("what a handler causes is told to all after what they are being told now", async () => {
  const emitter = new Emitter();
  const all = [];
  emitter.on("tick", (value) => {
    if (value === 1) emitter.emit("tick", 2);
  });
  emitter.on("tick", (value) => all.push(value));
  await sleep(5);
  emitter.emit("tick", 1);
  assert.deepEqual(all, [1, 2]);
});

test("a handler that is gone before anything was delivered was not the first", async () => {
  const emitter = new Emitter();
  const nobody = () => assert.fail("it was taken away");
  emitter.emit("tick", 1);
  emitter.on("tick", nobody);
  emitter.off("tick", nobody);
  await sleep(5);
  const all = heard(emitter, "tick");
  await sleep(5);
  assert.deepEqual(all, [["tick", 1]]);
});
