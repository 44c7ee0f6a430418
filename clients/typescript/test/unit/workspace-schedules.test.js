// What a workspace guarantees, over random schedules: a connection that is cut, silent, refused or late, in the middle of
// surfaces and conversations that come and go.
//
// - There is one socket at most, and nothing is said on one that is not open. (`pretence.js` looks at the second, and that
//   nothing is subscribed to twice.)
// - States of the connection follow each other as they can, and attempts are counted.
// - When all is well again, the server has been asked for what is wanted and for nothing else, and everybody who watches a
//   surface has it as it is.
// - When nobody wants anything any more, there is no socket, and none will be.
//
// SEED and SCHEDULES set other schedules. One that fails is made as short as it can be, and printed.

import assert from "node:assert/strict";
import test from "node:test";
import { createWorkspace } from "../../dist/workspace.js";
import { Pretence, keyOf, pretendBrowser, turn } from "../pretence.js";
import { Dice } from "../randomness.js";

const SEED = Number(process.env.SEED ?? 1);
const SCHEDULES = Number(process.env.SCHEDULES ?? 500);

const NAMES = [
  { surfaceId: "panel", conversationId: "one" },
  { surfaceId: "panel", conversationId: "two" },
  { surfaceId: "panel" },
  { surfaceId: "all" },
  { surfaceId: "all", conversationId: "one" },
];
const KEYS = ["panel of one", "panel of two", "panel", "all"];

/** Which states can follow a state. */
const NEXT = {
  nothing: ["connecting"],
  connecting: ["open", "waiting", "refused"],
  open: ["waiting"],
  waiting: ["connecting"],
  refused: ["connecting"],
};

const browser = pretendBrowser();

class Play {
  server = new Pretence();
  workspace = createWorkspace(this.server.options);
  watchers = [];
  followed = new Map();
  heard = 0;
  #links = [];
  #mistake;

  constructor(timers) {
    this.timers = timers;
    this.leave = this.workspace.on("link", (link) => this.#noted(() => this.#changed(link)));
  }

  /** A handler that fails stops nobody: what it has found wrong is kept. */
  #noted(work) {
    this.heard += 1;
    try {
      work();
    } catch (error) {
      this.#mistake ??= error;
    }
  }

  #changed(link) {
    const { state } = this.#links.at(-1) ?? { state: "nothing" };
    assert.ok(NEXT[state].includes(link.state), `${state}, and then ${link.state}`);
    assert.deepEqual(this.workspace.link, link);
    if (link.state === "waiting") {
      const since = this.#links.slice(this.#links.findLastIndex(({ state }) => state === "open" || state === "refused") + 1);
      assert.equal(link.attempt, since.filter(({ state }) => state === "waiting").length + 1);
      assert.ok(link.until > Date.now() && link.until <= Date.now() + 12_000, `it is waited for ${link.until - Date.now()}`);
    }
    this.#links.push(link);
  }

  watch(index) {
    const watcher = { key: keyOf(NAMES[index]) };
    watcher.leave = this.workspace.watchSurface(NAMES[index], (spec) =>
      this.#noted(() => {
        assert.ok(!watcher.isGone, "somebody who has left is told");
        watcher.spec = spec;
      }),
    );
    this.watchers.push(watcher);
  }

  unwatch(index) {
    const [watcher] = this.watchers.splice(index % (this.watchers.length || 1), 1);
    if (!watcher) return;
    watcher.isGone = true;
    watcher.leave();
    watcher.leave();
  }

  follow(id) {
    if (this.followed.has(id)) return;
    const events = this.workspace.conversations.watch(id);
    this.followed.set(id, events);
    // It fails when the key is refused.
    const listen = async () => {
      for await (const _ of events);
    };
    listen().catch(() => this.followed.get(id) === events && this.followed.delete(id));
  }

  async unfollow(id) {
    await this.followed.get(id)?.return();
    this.followed.delete(id);
  }

  change(key) {
    this.server.change(key);
  }

  deliver(count) {
    for (const socket of this.server.sockets) socket.deliver(count);
  }

  cut() {
    this.server.socket?.end();
  }

  vanish() {
    for (const socket of this.server.sockets) socket.isDeaf ||= socket.readyState === 1;
  }

  away() {
    this.server.isThere = false;
    this.cut();
  }

  back() {
    this.server.isThere = true;
  }

  mute() {
    this.server.isMute = true;
  }

  speak() {
    this.server.isMute = false;
  }

  forbid() {
    this.server.status = 401;
    this.cut();
  }

  permit() {
    this.server.status = 200;
  }

  retry() {
    this.workspace.retry();
  }

  browser(what) {
    if (what === "visible" || what === "hidden") browser.look(what);
    else browser[what]();
  }

  pass(milliseconds) {
    this.timers.tick(milliseconds);
  }

  check() {
    if (this.#mistake) throw this.#mistake;
    const { sockets } = this.server;
    assert.ok(sockets.filter(({ readyState }) => readyState < 3).length <= 1, "there are two sockets");
  }

  /** All is well again, and stays so. */
  async heal() {
    this.server.isThere = true;
    this.server.isMute = false;
    this.server.status = 200;
    this.workspace.retry();
    // As long as it takes for a connection to be found dead.
    for (let seconds = 0; seconds < 60; seconds += 1) {
      this.pass(1_000);
      await this.server.settle();
      this.check();
    }
    assert.equal(this.workspace.link.state, "open");
    const { socket } = this.server;
    const wanted = new Set(this.watchers.map(({ key }) => key));
    assert.deepEqual([...socket.surfaces].sort(), [...wanted].sort(), "what is subscribed to");
    assert.deepEqual([...socket.conversations].sort(), [...this.followed.keys()].sort(), "what is watched");
    assert.ok(socket.isExtended);
    for (const { key, spec } of this.watchers) assert.deepEqual(spec, this.server.shown(key).spec, key);
  }

  async end() {
    while (this.watchers.length > 0) this.unwatch(0);
    for (const id of [...this.followed.keys()]) await this.unfollow(id);
    this.leave();
    this.leave();
    await this.server.settle();
    assert.ok(this.server.sockets.every(({ readyState }) => readyState === 3), "a socket is left");
    const count = this.server.sockets.length;
    browser.online();
    this.pass(60_000);
    await this.server.settle();
    assert.equal(this.server.sockets.length, count, "there is one that nobody wants");
    this.check();
  }
}

function action(dice) {
  return dice.weighted(
    [6, () => ["watch", dice.below(NAMES.length)]],
    [4, () => ["unwatch", dice.below(9)]],
    [2, () => ["follow", dice.one("one", "two")]],
    [2, () => ["unfollow", dice.one("one", "two")]],
    [6, () => ["change", dice.one(...KEYS)]],
    [8, () => ["deliver", 1 + dice.below(5)]],
    [3, ["cut"]],
    [1, ["vanish"]],
    [1, ["away"]],
    [3, ["back"]],
    [1, ["mute"]],
    [3, ["speak"]],
    [1, ["forbid"]],
    [3, ["permit"]],
    [2, ["retry"]],
    [2, () => ["browser", dice.one("online", "offline", "visible", "hidden")]],
    [5, () => ["pass", dice.below(500)]],
    [3, () => ["pass", dice.below(30_000)]],
  );
}

function schedule(seed) {
  const dice = new Dice(seed);
  return Array.from({ length: dice.below(50) }, () => action(dice));
}

async function play(actions, timers) {
  const play = new Play(timers);
  // It hears first how the connection is.
  await turn();
  for (const [name, given] of actions) {
    await play[name](given);
    play.check();
    await turn();
    play.check();
  }
  await play.heal();
  await play.end();
  return play.heard;
}

async function failure(actions, timers) {
  try {
    await play(actions, timers);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The same failure, or another one, with as few actions as possible. */
async function shrunk(actions, timers) {
  let least = actions;
  for (let at = 0; at < least.length; ) {
    const shorter = least.filter((_, index) => index !== at);
    if (await failure(shorter, timers)) least = shorter;
    else at += 1;
  }
  return least;
}

test("no schedule of events leaves a workspace behind", async (context) => {
  const { timers } = context.mock;
  timers.enable({ apis: ["setTimeout", "Date"] });
  let heard = 0;
  for (let number = 0; number < SCHEDULES; number += 1) {
    const seed = SEED + number;
    const actions = schedule(seed);
    try {
      heard += await play(actions, timers);
    } catch {
      const least = await shrunk(actions, timers);
      const { stack } = (await failure(least, timers)) ?? {};
      assert.fail(`SEED=${seed} SCHEDULES=1\n${JSON.stringify(least)}\n${stack}`);
    }
  }
  console.log(`${SCHEDULES} schedules from seed ${SEED}: ${heard} things heard`);
  assert.ok(heard > 5 * SCHEDULES, "hardly anything happened");
});
