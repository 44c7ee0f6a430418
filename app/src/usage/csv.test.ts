import { describe, expect, it } from "vitest";
import { csv } from "./csv";
import { row } from "./rows.fixture";

const name = (key: string) => (key === "key_1" ? 'the "shop", Berlin' : key);

describe("a file for spreadsheets", () => {
  it("has a line for each row, exactly as the ledger has it", () => {
    const used = { steps: 2, inputTokens: 1_234, cachedTokens: 40, outputTokens: 10, credits: "0.000001" };
    const rows = [row("2026-11-20", "local", "scripted/large", used), row("2026-11-21", "key_1", "mirage", { seconds: 30 })];
    const text = csv(rows, name);
    expect(text.split("\r\n")).toEqual([
      "day,key,name,model,seconds,steps,input_tokens,cached_tokens,output_tokens,credits",
      "2026-11-20,local,local,scripted/large,0,2,1234,40,10,0.000001",
      '2026-11-21,key_1,"the ""shop"", Berlin",mirage,30,0,0,0,0,0',
      "",
    ]);
  });

  it("has no formulas in it", () => {
    expect(csv([row("2026-11-20", "k", "=HYPERLINK(1)")], () => "@x")).toContain(",'@x,'=HYPERLINK(1),");
  });
});
