// What the machine of a realtime connection guarantees, over random schedules: everything delayed, doubled, cut off or
// invented, of this attempt and of earlier ones, and the clock late or on time.
//
// What is checked at every output is in `world.js`. The schedules are the same in each run; SEED and SCHEDULES set others. One
// that fails is made as short as it can be, and printed.

import assert from "node:assert/strict";
import test from "node:test";
import { Dice } from "../randomness.js";
import { World } from "../world.js";

const SEED = Number(process.env.SEED ?? 1);
const SCHEDULES = Number(process.env.SCHEDULES ?? 20_000);

const IMAGE = "aW1hZ2U=";
const NEVER = 2 ** 64;

const whole = (prompt, image = null) => ({ prompt: { prompt, enhance_prompt: true }, image });

function options(dice) {
  const never = { prompt: NEVER, image: NEVER, attempt: NEVER, interruption: NEVER };
  const short = { prompt: 300, image: 700, attempt: 1_000, interruption: 400 };
  return {
    produces: dice.chance(0.8),
    reconnects: dice.chance(0.8),
    look: dice.weighted([2, null], [1, {}], [2, whole("a cat")], [1, whole("a cat", IMAGE)]),
    session: dice.weighted([3, null], [1, "s-0"]),
    timeouts: dice.weighted([3, {}], [1, short], [1, never]),
    retry: {
      delays: dice.weighted([4, [1_000, 2_000, 4_000]], [1, []], [1, [0, 500]]),
      stable: dice.one(10_000, 1_000),
    },
  };
}

const prompt = (dice) => dice.weighted([5, "a cat"], [5, "a dog"], [1, " "]);

function update(dice) {
  if (dice.chance(0.5)) return { prompt: { prompt: prompt(dice), enhance_prompt: dice.chance(0.5) } };
  const field = (value) => dice.weighted([1, undefined], [1, null], [2, value]);
  return { image: { image_data: field(IMAGE), prompt: field(prompt(dice)) } };
}

function message(dice) {
  const success = dice.chance(0.5);
  return dice.weighted(
    [3, () => ({ type: "prompt_ack", prompt: prompt(dice), success })],
    [3, () => ({ type: "set_image_ack", success, error: null })],
    [2, { type: "answer", sdp: "another answer" }],
    [3, () => ({ type: "generation_tick", seconds: dice.below(100) })],
    [2, { type: "generation_started" }],
    [1, { type: "generation_ended", seconds: 3, reason: "error" }],
    [2, () => ({ type: "session_id", session_id: `s-${dice.below(9)}`, server_ip: "192.0.2.1", server_port: 1 })],
    [1, () => ({ type: "ice-candidate", candidate: dice.one(null, { candidate: "candidate:1", sdpMid: "0" }) })],
    [1, { type: "ready" }],
    [1, { type: "offer", sdp: "of the server" }],
    [1, { type: "of_a_later_contract" }],
  );
}

function error(dice) {
  const kind = dice.one(undefined, "upstream_capacity", "insufficient_credits", "of_a_later_contract");
  return { error: dice.weighted([3, "something is odd"], [1, "not allowed"]), ...(kind && { error_type: kind }) };
}

/** What changes nothing for good. */
function stray(dice) {
  return dice.weighted(
    [10, () => ({ message: message(dice) })],
    [2, () => ({ error: error(dice) })],
    [1, () => ({ text: dice.one("", "{", "[]", "null", '{"type":7}', '{"type":"answer"}') })],
    [1, { type: "opened" }],
    [1, { type: "offer" }],
    [2, () => ({ type: "candidate", candidate: dice.one(null, { candidate: "candidate:2", sdpMLineIndex: 0 }) })],
    [1, { type: "media", state: "connected" }],
    [3, { type: "media", state: "interrupted" }],
  );
}

function end(dice) {
  return dice.weighted(
    [
      3,
      () => ({
        type: "closed",
        code: dice.weighted([4, null], [2, 1000], [1, 1005], [2, 1006], [2, 1011], [2, 1013], [1, 1008]),
      }),
    ],
    [1, () => ({ type: "refused", status: dice.weighted([2, null], [1, 401], [1, 429], [2, 503]) })],
    [1, { type: "media", state: "failed" }],
  );
}

function action(dice) {
  return dice.weighted(
    [12, () => ["goOn", 1 + dice.below(9)]],
    [4, ["hold"]],
    [3, ["arrive"]],
    [4, ["again"]],
    [8, () => ["happens", 0, stray(dice)]],
    [4, () => ["happens", 1 + dice.below(2), dice.chance(0.5) ? stray(dice) : end(dice)]],
    [4, () => ["happens", 0, end(dice)]],
    [6, () => ["update", update(dice)]],
    [3, ["connect"]],
    [1, ["disconnect"]],
    [6, () => ["pass", dice.below(4_000)]],
    [2, () => ["pass", dice.below(40_000)]],
    [2, () => ["jump", dice.below(40_000)]],
  );
}

function schedule(seed) {
  const dice = new Dice(seed);
  const actions = Array.from({ length: dice.below(50) }, () => action(dice));
  return { options: options(dice), leaves: dice.chance(0.5), actions };
}

/** Plays it, and says how many things the machine did. */
function play({ options, leaves, actions }) {
  const world = new World(options);
  world.connect();
  for (const [name, ...given] of actions) {
    if (name === "goOn") for (let count = 0; count < given[0]; count += 1) world.goOn();
    else world[name](...given);
  }
  if (!leaves) {
    // Whatever was, it can be well again.
    world.heal();
    if (world.produces) restoresWhatIsAcknowledged(world);
  }
  world.disconnect();
  for (let back = 0; back < 5; back += 1) {
    for (const late of [{ type: "opened" }, { type: "offer" }, { type: "closed", code: 1008 }]) {
      world.happens(back, late);
    }
  }
  world.pass(3_600_000);
  assert.equal(world.shown, "disconnected");
  return world.told;
}

function restoresWhatIsAcknowledged(world) {
  const image = { image_data: "aG9yc2U=", prompt: "a horse", enhance_prompt: true };
  world.finish(world.update({ image }));
  world.happens(0, { type: "closed", code: null });
  if (world.shown !== "reconnecting") return;
  world.heal();
  assert.deepEqual(world.begunWith, { type: "set_image", ...image }, "what it begins with");
}

function failure(schedule) {
  try {
    play(schedule);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The same failure, or another one, with as few actions as possible. */
function shrunk(schedule) {
  for (let at = 0; at < schedule.actions.length; ) {
    const shorter = { ...schedule, actions: schedule.actions.filter((_, index) => index !== at) };
    if (failure(shorter)) schedule = shorter;
    else at += 1;
  }
  return schedule;
}

test("no schedule of events breaks a connection", () => {
  let told = 0;
  for (let number = 0; number < SCHEDULES; number += 1) {
    const seed = SEED + number;
    const given = schedule(seed);
    try {
      told += play(given);
    } catch {
      const least = shrunk(given);
      assert.fail(`SEED=${seed} SCHEDULES=1\n${JSON.stringify(least, null, 1)}\n${failure(least)?.stack}`);
    }
  }
  console.log(`${SCHEDULES} schedules from seed ${SEED}: ${told} outputs`);
  assert.ok(told > 10 * SCHEDULES, "hardly anything happened");
});
