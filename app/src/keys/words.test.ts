import type { ApiKey } from "@dispatch/client";
import { describe, expect, it } from "vitest";
import { balanceOf, hasWords, isUsedUp, nameOf, randomId } from "./words";

const key = (change: Partial<ApiKey>): ApiKey => ({
  id: "key_1",
  name: "shop",
  createdAt: 0,
  funds: "prepaid",
  balance: "0",
  held: "0",
  ...change,
});

describe("a key", () => {
  it("goes by its name, or its id where it has none", () => {
    const keys = [key({}), key({ name: "" }), key({ id: "local", name: "this machine" })];
    expect(keys.map(nameOf)).toEqual(["shop", "key_1", "local"]);
  });

  it("has a balance in words", () => {
    expect(balanceOf(key({ balance: "1234.5" }))).toBe("1,234.5");
    expect(balanceOf(key({ balance: "-0.2" }))).toBe("−0.2");
    expect(balanceOf(key({ funds: "unlimited" }))).toBe("nothing owed");
    expect(balanceOf(key({ funds: "unlimited", balance: "-12.5" }))).toBe("owes 12.5");
    expect(balanceOf(key({ id: "local", funds: "unlimited", balance: "-0.704" }))).toBe("used 0.704");
    expect(balanceOf(key({ id: "local", funds: "unlimited" }))).toBe("nothing used");
  });

  it("is used up when nothing is left that is not held", () => {
    expect(isUsedUp(key({ balance: "1", held: "0.5" }))).toBe(false);
    expect(isUsedUp(key({ balance: "1", held: "1" }))).toBe(true);
    expect(isUsedUp(key({ balance: "-1" }))).toBe(true);
    expect(isUsedUp(key({ balance: "-1", funds: "unlimited" }))).toBe(false);
  });
});

describe("a search", () => {
  it("finds keys by words of their name and by their id", () => {
    const shop = key({ id: "key_6e76", name: "the Shop" });
    expect(["", "  ", "shop", "SHOP the", "6e7", "shop 6e76"].every((query) => hasWords(shop, query))).toBe(true);
    expect(["ship", "shop 77"].some((query) => hasWords(shop, query))).toBe(false);
  });
});

describe("an id", () => {
  it("is another one each time", () => {
    const ids = new Set(Array.from({ length: 100 }, () => randomId()));
    expect(ids.size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});
