import { expect, test } from "vitest";
import { keepPlace, placeIn } from "./place.js";

test("a place is kept for each conversation, and forgotten at the end", () => {
  keepPlace("a", { key: "12", seq: 12, offset: 40 });
  expect(placeIn("a")).toEqual({ key: "12", seq: 12, offset: 40 });
  expect(placeIn("b")).toBeUndefined();
  keepPlace("a", undefined);
  expect(placeIn("a")).toBeUndefined();
});

test("what cannot be read is no place", () => {
  for (const kept of ["{", "null", "{}", '{"key":1,"offset":2}']) {
    sessionStorage.setItem("dispatch.place.a", kept);
    expect(placeIn("a"), kept).toBeUndefined();
  }
});
