import { expect, test } from "vitest";
import { CELLS, Drawn, FRAMES, frameOf, strip } from "./timecode";

const frames = Array.from({ length: FRAMES }, (_, frame) => frame);

/** The strip as a picture shows it, with its colours and its light changed. */
function shown(frame: number, light = 235, dark = 16): number[] {
  return strip(frame).map((cell) => (cell ? light : dark));
}

test("every frame is read as itself", () => {
  expect(frames.map((frame) => strip(frame).length).every((length) => length === CELLS)).toBe(true);
  expect(frames.map((frame) => frameOf(shown(frame)))).toEqual(frames);
});

test("a frame is read whatever was done to light and sides", () => {
  expect(frames.map((frame) => frameOf(shown(frame, 120, 70)))).toEqual(frames);
  expect(frames.map((frame) => frameOf(shown(frame, 10, 250)))).toEqual(frames);
  expect(frames.map((frame) => frameOf(shown(frame).toReversed()))).toEqual(frames);
});

test("cells that are a little off are read, and blurred ones are not taken for another frame", () => {
  const uneven = shown(77).map((cell, at) => cell + (at % 3) * 20 - 20);
  expect(frameOf(uneven)).toBe(77);
  for (const frame of frames) {
    const cells = shown(frame);
    const blurred = cells.map((_, at) => cells.slice(Math.max(0, at - 4), at + 5).reduce((sum, cell) => sum + cell, 0) / 9);
    expect([undefined, frame]).toContain(frameOf(blurred));
  }
});

test("what is no strip is not read", () => {
  expect(frameOf(Array<number>(CELLS).fill(128))).toBeUndefined();
  expect(frameOf([])).toBeUndefined();
  const broken = shown(5);
  broken[4] = 251 - (broken[4] ?? 0);
  expect(frameOf(broken)).toBeUndefined();
});

test("an age is known of what was drawn a moment ago", () => {
  const drawn = new Drawn();
  expect(drawn.age(3, 1000)).toBeUndefined();
  drawn.set(3, 1000);
  expect(drawn.age(3, 1080)).toBe(80);
  expect(drawn.age(3, 7000)).toBeUndefined();
  expect(drawn.age(3, 900)).toBeUndefined();
});
