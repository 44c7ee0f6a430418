import { expect, test } from "vitest";
import { Bill } from "./bill.svelte";

test("seconds add up over connections, each of which counts from the beginning", () => {
  const bill = new Bill();
  bill.begin("0.02");
  bill.connected();
  for (const seconds of [1, 2, 3]) bill.tick({ seconds });
  expect([bill.seconds, bill.cost, bill.connections]).toEqual([3, "0.06", 1]);
  bill.lost();
  expect([bill.seconds, bill.cost]).toEqual([3, "0.06"]);
  bill.connected();
  bill.tick({ seconds: 1 });
  expect([bill.seconds, bill.cost, bill.connections]).toEqual([4, "0.08", 2]);
});

test("a session that is gone on with has cost something already, perhaps at another price", () => {
  const bill = new Bill();
  bill.begin("0.02", { seconds: 10, credits: "1.5" });
  expect([bill.seconds, bill.cost]).toEqual([10, "1.50"]);
  bill.tick({ seconds: 2 });
  expect([bill.seconds, bill.cost]).toEqual([12, "1.54"]);
  bill.begin("0");
  expect([bill.seconds, bill.cost, bill.connections]).toEqual([0, "0", 0]);
});

test("what is left is what the server said last", () => {
  const bill = new Bill();
  bill.begin("0.1");
  expect([bill.left, bill.secondsLeft, bill.isLow]).toEqual([undefined, Infinity, false]);
  bill.tick({ seconds: 1, credits: "12.3" });
  expect([bill.left, bill.secondsLeft, bill.isLow]).toEqual(["12.3", 123, false]);
  bill.tick({ seconds: 2, credits: "5.9" });
  bill.tick({ seconds: 3 });
  expect([bill.left, bill.secondsLeft, bill.isLow]).toEqual(["5.9", 59, true]);
});

test("a tick that comes late takes nothing away", () => {
  const bill = new Bill();
  bill.begin("1");
  bill.tick({ seconds: 5 });
  bill.tick({ seconds: 4 });
  expect(bill.seconds).toBe(5);
});
