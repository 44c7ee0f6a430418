import { describe, expect, it } from "vitest";
import { FIRST, type Part, read, span, wrong, write } from "./part";

describe("a part of the ledger", () => {
  it("is the same after it was in an address", () => {
    const parts: Part[] = [
      FIRST,
      { days: 7, split: "model", key: "key_1" },
      { days: { from: "2026-01-01", to: "2026-06-30" }, split: "key", key: undefined },
      { days: 90, split: "kind", key: "a key & more=1" },
    ];
    for (const part of parts) expect(read(write(part))).toEqual(part);
  });

  it("is as at first where an address makes no sense", () => {
    for (const query of ["", "days=8", "days=x&by=colour", "from=2026-02-30&to=2026-03-01", "from=2026-03-02&to=2026-03-01", "main"]) {
      expect(read(query), query).toEqual(FIRST);
    }
    expect(read("from=1990-01-01&to=2026-01-01").days).toBe(FIRST.days);
  });

  it("ends today if it is said in days", () => {
    const now = Date.UTC(2026, 10, 21, 12);
    expect(span({ days: 7 }, now)).toEqual({ from: "2026-11-15", to: "2026-11-21" });
    const own = { from: "2026-01-01", to: "2026-01-31" };
    expect(span({ days: own }, now)).toBe(own);
  });

  it("says which of its days is wrong", () => {
    expect(wrong({ from: "", to: "2026-01-01" })?.field).toBe("from");
    expect(wrong({ from: "2026-01-01", to: "" })?.field).toBe("to");
    expect(wrong({ from: "2026-01-02", to: "2026-01-01" })).toEqual({ field: "to", text: "The last day is before the first one." });
    expect(wrong({ from: "2010-01-02", to: "2026-01-01" })?.text).toBe("At most ten years can be shown.");
    expect(wrong({ from: "2026-01-01", to: "2026-01-01" })).toBeUndefined();
  });
});
