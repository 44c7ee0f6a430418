// That the world of the other tests is one: what goes wrong in it shows.

import { setTimeout as sleep } from "node:timers/promises";
import { accessible } from "./axe.js";
import { call, expect, fail, say, test, think, until } from "./world.js";

test("a script is played step by step, as far as its gates let it", async ({ start }) => {
  const world = await start({ settings: { LIMITS__RETRY_DELAY: "10ms" } });
  await world.write("a.txt", "the text of a");
  world.provider.answer("read it", [
    [fail(503, "not now", { times: 1 }), think("Hm."), say("Look: "), call("read_file", { path: "a.txt" })],
    [say("so "), until("gate"), say("it is.")],
  ]);
  const turn = world.turn("one", "please read it");
  await world.provider.reached("gate");
  await sleep(50);
  const before = await world.ask("GET", "/conversations/one/status");
  world.provider.release("gate");
  await turn;
  const { chunks } = await world.ask<{ chunks: { chunk: { type: string; text?: string } }[] }>("GET", "/conversations/one");
  expect(before).toMatchObject({ isActive: true });
  expect(chunks.map(({ chunk }) => chunk.text ?? chunk.type)).toEqual([
    "please read it",
    "Hm.",
    "Look: ",
    "tool-call",
    "tool-result",
    "so it is.",
  ]);
  expect(world.provider.asked).toHaveLength(3);
});

test("a server that was killed goes on with its data at its address", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  await world.turn("one", "hello");
  const before = await world.ask("GET", "/conversations/one");
  const { url } = world.server;
  await world.kill();
  await world.server.run();
  expect(world.server.url).toBe(url);
  expect(await world.ask("GET", "/conversations/one")).toEqual(before);
});

test("the command line talks to the same server", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  const { code, stdout } = await world.cli("chat", "--text", "hello", "--conversation", "0c5f6d2e-7a41-4c39-9d0b-3f1e8a6b5c27").ended;
  expect([code, stdout.trim()]).toEqual([0, "You said: hello"]);
});

test("what goes wrong on a page is found, and what is expected is not", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/");
  await page.evaluate(async () => {
    console.error("something is wrong");
    setTimeout(() => {
      throw new Error("thrown");
    });
    document.body.insertAdjacentHTML("beforeend", '<p style="color: red">inline</p>');
    await fetch("/no-such-thing");
    // The policy lets images of others in: the app asks before it loads one.
    new Image().src = "https://127.0.0.1:9/elsewhere.png";
  });
  for (const fault of ["something is wrong", "thrown", "Content-Security-Policy", "404", "another host"]) {
    await expect.poll(() => world.faults.join("\n")).toContain(fault);
  }
  world.expects(/./);
  expect(world.faults).toEqual([]);
});

test("a page without a network is given it back", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/");
  const reads = () => page.evaluate(() => fetch("/health").then((response) => response.ok, () => false));
  expect(await reads()).toBe(true);
  await world.offline(page, true);
  expect(await reads()).toBe(false);
  await world.offline(page, false);
  expect(await reads()).toBe(true);
});

test("what cannot be used by everybody is found", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/");
  await page.evaluate(() => document.body.insertAdjacentHTML("beforeend", "<button></button>"));
  await expect(accessible(page, "body > button")).rejects.toThrow("button-name");
});
