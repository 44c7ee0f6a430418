import { describe, expect, it } from "vitest";
import {
  type CreditForm,
  type KeyForm,
  type TokenForm,
  creditChange,
  creditFaults,
  creditRequest,
  hasFaults,
  keyFaults,
  keyRequest,
  tokenFaults,
  tokenRequest,
} from "./forms";

const KEY: KeyForm = { name: "shop", funds: "prepaid", credits: "100" };
const CREDIT: CreditForm = { direction: "add", credits: "25.5", deposit: "", note: "" };
const TOKEN: TokenForm = { life: "60", isForAll: true, models: [], origins: "", duration: "" };

describe("the form of a key", () => {
  it("is asked for as it was filled in", () => {
    expect(keyRequest({ ...KEY, name: " the shop " })).toEqual({ name: "the shop", credits: "100" });
    expect(keyRequest({ ...KEY, credits: " 012.50 " })).toEqual({ name: "shop", credits: "12.5" });
    expect(keyRequest({ ...KEY, credits: "" })).toEqual({ name: "shop", credits: "0" });
    // What was typed before the choice is not sent: a key is unlimited or has credits.
    expect(keyRequest({ ...KEY, funds: "unlimited" })).toEqual({ name: "shop", unlimited: true });
  });

  it("needs a name that is not too long, in bytes", () => {
    expect(keyFaults({ ...KEY, name: "  " }).name).toMatch(/Give it a name/);
    expect(keyFaults({ ...KEY, name: "ä".repeat(128) })).toEqual({});
    expect(keyFaults({ ...KEY, name: "ä".repeat(129) }).name).toBe("This is too long: it may have 256 bytes, and has 258.");
  });

  it("says what is wrong with an amount", () => {
    const fault = (credits: string) => keyFaults({ ...KEY, credits }).credits;
    for (const right of ["", "0", "0.000001", "9223372036854.775807"]) expect(fault(right), right).toBeUndefined();
    expect(fault("1,000.5")).toMatch(/without commas/);
    expect(fault("12,5")).toMatch(/with a point/);
    expect(fault("1.2345678")).toMatch(/six digits/);
    expect(fault("-1")).toMatch(/not below zero/);
    expect(fault("ten")).toMatch(/such as 12.5/);
    expect(fault("9223372036854.775808")).toMatch(/more than can be counted/);
  });

  it("does not mind an amount that is not asked for", () => {
    expect(hasFaults(keyFaults({ ...KEY, funds: "unlimited", credits: "ten" }))).toBe(false);
  });
});

describe("the form of a deposit", () => {
  it("adds, or takes away", () => {
    expect(creditRequest(CREDIT, "made")).toEqual({ credits: "25.5", depositId: "made" });
    expect(creditRequest({ ...CREDIT, direction: "take" }, "made")).toEqual({ credits: "-25.5", depositId: "made" });
    expect(creditChange({ ...CREDIT, direction: "take" })).toBe(-25_500_000n);
    expect(creditChange({ ...CREDIT, credits: "x" })).toBeUndefined();
  });

  it("has the reference for its name, if there is one", () => {
    expect(creditRequest({ ...CREDIT, deposit: " invoice-42 ", note: " June " }, "made")).toEqual({
      credits: "25.5",
      depositId: "invoice-42",
      note: "June",
    });
  });

  it("needs an amount that is more than nothing", () => {
    expect(creditFaults(CREDIT)).toEqual({});
    expect(creditFaults({ ...CREDIT, credits: "" }).credits).toMatch(/Enter an amount, such as/);
    expect(creditFaults({ ...CREDIT, credits: "0.0" }).credits).toMatch(/more than nothing/);
    expect(creditFaults({ ...CREDIT, credits: "-3" }).credits).toMatch(/not below zero/);
    expect(Object.keys(creditFaults({ ...CREDIT, deposit: "x".repeat(257), note: "x".repeat(257) }))).toEqual(["deposit", "note"]);
  });
});

describe("the form of a client token", () => {
  it("asks for nothing that was not chosen", () => {
    expect(tokenRequest(TOKEN)).toEqual({ expiresIn: 60 });
  });

  it("asks for all that was", () => {
    const origins = "https://a.example\n\n http://b.example:81 ";
    const form = { life: "120", isForAll: false, models: ["mirage"], origins, duration: "600" };
    expect(tokenFaults(form)).toEqual({});
    expect(tokenRequest(form)).toEqual({
      expiresIn: 120,
      allowedModels: ["mirage"],
      allowedOrigins: ["https://a.example", "http://b.example:81"],
      constraints: { realtime: { maxSessionDuration: 600 } },
    });
  });

  it("has bounds of time", () => {
    for (const life of ["", "0", "3601", "1.5", "-1", "x"]) expect(tokenFaults({ ...TOKEN, life }).life, life).toMatch(/3,600/);
    for (const life of ["1", "3600", " 60 "]) expect(tokenFaults({ ...TOKEN, life }), life).toEqual({});
    for (const duration of ["9", "x", "10.5"]) expect(tokenFaults({ ...TOKEN, duration }).duration, duration).toMatch(/at least 10/);
    expect(tokenFaults({ ...TOKEN, duration: "10" })).toEqual({});
  });

  it("opens at least one model", () => {
    expect(tokenFaults({ ...TOKEN, isForAll: false }).models).toMatch(/at least one/);
    const many = Array.from({ length: 21 }, (_, index) => `m${index}`);
    expect(tokenFaults({ ...TOKEN, isForAll: false, models: many }).models).toMatch(/at most 20/);
  });

  it("takes origins, and says what was meant by more than one", () => {
    const fault = (origins: string) => tokenFaults({ ...TOKEN, origins }).origins;
    for (const good of ["", "https://shop.example", "http://localhost:5173", "capacitor://localhost", "https://[::1]:8443"]) {
      expect(fault(good), good).toBeUndefined();
    }
    expect(fault("https://shop.example/")).toBe("“https://shop.example/” is more than an origin: write https://shop.example");
    expect(fault("https://Shop.example:443")).toMatch(/write https:\/\/shop.example$/);
    expect(fault("shop.example")).toMatch(/“shop.example” is no origin/);
    expect(fault("localhost:3000")).toMatch(/no origin/);
    expect(fault("https://a.example nonsense")).toMatch(/“nonsense” is no origin/);
    expect(fault(Array.from({ length: 21 }, (_, index) => `https://a${index}.example`).join("\n"))).toMatch(/at most 20/);
  });
});
