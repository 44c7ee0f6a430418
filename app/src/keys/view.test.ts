import { type ApiKey, type CreditKeyRequest, DispatchError } from "@dispatch/client";
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { issued } from "./issued.svelte";

const state = vi.hoisted(() => ({
  keys: [] as ApiKey[],
  failure: undefined as Error | undefined,
  credited: [] as CreditKeyRequest[],
  tokens: [] as unknown[],
  revoked: [] as string[],
}));

vi.mock("../lib/server.svelte", () => {
  const done = async <T>(value: () => T): Promise<T> => {
    const { failure } = state;
    state.failure = undefined;
    if (failure) throw failure;
    return value();
  };
  return {
    server: {
      link: { state: "open" },
      workspace: {
      on: () => () => {},
        keys: {
          list: () => done(() => state.keys),
          create: ({ name, credits = "0" }: { name: string; credits?: string }) =>
            done(() => {
              const made = { ...state.keys[0]!, id: "key_new", name, balance: credits };
              state.keys = [...state.keys, made];
              return { key: made, secret: "dsp_secret" };
            }),
          credit: (id: string, request: CreditKeyRequest) => {
            state.credited.push(request);
            return done(() => ({ ...state.keys.find((key) => key.id === id)!, balance: "200" }));
          },
          revoke: (id: string) => done(() => void state.revoked.push(id)),
        },
        realtimeModels: async () => [{ name: "mirage", width: 320, height: 180, fps: 15, creditsPerSecond: "1" }],
        tokens: {
          create: (request: unknown) => {
            state.tokens.push(request);
            return done(() => ({ apiKey: "ek_token", expiresAt: new Date(Date.now() + 60_000).toISOString() }));
          },
        },
      },
    },
  };
});

const { default: Keys } = await import("./Keys.svelte");

const key = (change: Partial<ApiKey>): ApiKey => ({
  id: "key_shop",
  name: "shop",
  createdAt: Date.now(),
  funds: "prepaid",
  balance: "125.5",
  held: "0",
  ...change,
});

let view: ReturnType<typeof mount>;

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    flushSync();
    await new Promise((resolve) => setTimeout(resolve));
  }
  flushSync();
}

async function open(): Promise<void> {
  view = mount(Keys, { target: document.body });
  await settled();
}

const dialog = () => document.querySelector("dialog[open]") as HTMLDialogElement | null;
const text = (element: Element | null = document.body) => element?.textContent?.replace(/\s+/g, " ").trim() ?? "";

function named(name: string, within: ParentNode = document): HTMLElement {
  const found = [...within.querySelectorAll<HTMLElement>("button, a, summary")].find(
    (button) => (button.getAttribute("aria-label") ?? text(button)) === name,
  );
  if (!found) throw new Error(`there is no button ${name}`);
  return found;
}

async function press(name: string): Promise<void> {
  named(name, dialog() ?? document).click();
  await settled();
}

function field(label: string): HTMLInputElement {
  const found = [...dialog()!.querySelectorAll("label")].find((element) => text(element) === label);
  if (!found) throw new Error(`there is no field ${label}`);
  return (found.querySelector("input") ?? document.getElementById(found.htmlFor)) as HTMLInputElement;
}

async function type(label: string, value: string): Promise<void> {
  const input = field(label);
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await settled();
}

beforeEach(() => {
  const local = key({ id: "local", name: "this machine", funds: "unlimited", balance: "-0.704" });
  Object.assign(state, { keys: [local, key({})], failure: undefined, credited: [], tokens: [], revoked: [] });
});

afterEach(async () => {
  await unmount(view);
  issued.forget();
  document.body.replaceChildren();
});

describe("the keys view", () => {
  it("lists keys with what they have, and says what `local` is", async () => {
    state.keys.push(key({ id: "key_old", name: "old", revokedAt: 5 }));
    await open();
    const rows = [...document.querySelectorAll("section[aria-label=Keys] tbody tr")].map((row) => text(row));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toContain("used 0.704");
    expect(rows[0]).toContain("What this machine and the keys of the configuration use.");
    expect(rows[1]).toContain("125.5");
    expect(text(document.querySelector("summary"))).toBe("1 revoked key");
    expect(() => named("Revoke local")).toThrow();
  });

  it("finds some of very many, and does not show all of them at once", { timeout: 60_000 }, async () => {
    state.keys.push(...Array.from({ length: 60 }, (_, index) => key({ id: `key_${index}`, name: `guest ${index}` })));
    await open();
    const rows = () => document.querySelectorAll("section[aria-label=Keys] tbody tr").length;
    expect(rows()).toBe(50);
    await press("Show 12 more");
    expect(rows()).toBe(62);
    const search = document.querySelector<HTMLInputElement>("[aria-label='Search keys']")!;
    search.value = "guest 4";
    search.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    // 4, 14, 24, 34, 54, and those from 40 to 49.
    expect([rows(), text(document.querySelector("[role=status]"))]).toEqual([15, "15 keys found"]);
  });

  it("makes a key, and does not close its secret before somebody has it", async () => {
    await open();
    await press("Make a key");
    await press("Make the key");
    expect(text(dialog())).toContain("Give it a name");
    expect(document.activeElement).toBe(field("Name"));
    await type("Name", "café");
    await type("Credits", "1,5");
    await press("Make the key");
    expect(text(dialog())).toContain("Write it with a point");
    await type("Credits", "1.5");
    await press("Make the key");
    expect(text(dialog()?.querySelector("h2") ?? null)).toBe("The key of café");
    expect(dialog()!.querySelector<HTMLInputElement>("input[readonly]")!.value).toBe("dsp_secret");
    const done = named("Done", dialog()!) as HTMLButtonElement;
    expect(done.disabled).toBe(true);
    field("I have put it somewhere safe").click();
    await settled();
    expect(done.disabled).toBe(false);
    await press("Done");
    expect([dialog(), issued.secret]).toEqual([null, undefined]);
    expect(text(document.querySelector("[data-key=key_new]"))).toContain("café");
  });

  it("keeps what was typed when it fails, and says that a key without an answer may be there", async () => {
    await open();
    await press("Make a key");
    await type("Name", "lost");
    state.failure = new DispatchError("unreachable", "the server cannot be reached");
    await press("Make the key");
    expect(text(dialog())).toContain("The key may have been made all the same.");
    expect(field("Name").value).toBe("lost");
    state.failure = new DispatchError("store-failed", "the disk is full", { status: 500 });
    await press("Make the key");
    expect(text(dialog())).toContain("The disk is full.");
    expect(text(dialog())).not.toContain("may have been made");
  });

  it("books a deposit once, however often it has to be sent", async () => {
    await open();
    await press("Credits of shop");
    await type("Credits", "74.5");
    expect(text(dialog())).toContain("Afterwards 200");
    state.failure = new DispatchError("unreachable", "the server cannot be reached");
    await press("Add credits");
    expect(text(dialog())).toContain("it is booked once only");
    await press("Add credits");
    expect(dialog()).toBeNull();
    expect(state.credited).toHaveLength(2);
    expect(state.credited[0]).toEqual(state.credited[1]);
    expect(state.credited[0]).toMatchObject({ credits: "74.5", depositId: expect.stringMatching(/^app-[0-9a-f]{32}$/) });
    expect(text(document.querySelector("[data-key=key_shop]"))).toContain("200");
    await press("Credits of shop");
    await type("Credits", "74.5");
    await press("Add credits");
    expect(state.credited[2]!.depositId).not.toBe(state.credited[0]!.depositId);
  });

  it("says when the attempt before was booked with another amount, and begins a new deposit then", async () => {
    await open();
    await press("Credits of shop");
    await type("Credits", "5");
    state.failure = new DispatchError("unreachable", "the server cannot be reached");
    await press("Add credits");
    await type("Credits", "50");
    state.failure = new DispatchError("invalid-request", "the deposit was another one", { status: 400 });
    await press("Add credits");
    expect(text(dialog())).toContain("The attempt before was booked");
    expect(state.credited[1]!.depositId).toBe(state.credited[0]!.depositId);
    await press("Add credits");
    expect(state.credited[2]!.depositId).not.toBe(state.credited[0]!.depositId);
  });

  it("takes credits away", async () => {
    await open();
    await press("Credits of shop");
    field("Take away").click();
    await type("Credits", "200");
    expect(text(dialog())).toContain("Afterwards −74.5");
    await press("Take credits away");
    expect(state.credited[0]).toMatchObject({ credits: "-200" });
  });

  it("revokes a key whose name was typed, and no other way", async () => {
    await open();
    await press("Revoke shop");
    await type("Name of the key", "shp");
    await press("Revoke the key");
    expect([text(dialog()?.querySelector("[role=alert]") ?? null), state.revoked]).toEqual(["Type shop to confirm.", []]);
    await type("Name of the key", "shop");
    await press("Revoke the key");
    expect([dialog(), state.revoked]).toEqual([null, ["key_shop"]]);
  });

  it("makes client tokens, for others than the operator as well", async () => {
    state.failure = new DispatchError("operator-only", "no", { status: 403 });
    await open();
    expect(text()).toContain("Keys are made and seen by the operator of the server.");
    await press("Make a client token");
    await type("Opens sessions for, in seconds", "4000");
    await press("Make the token");
    expect(text(dialog())).toContain("Enter a whole number of seconds, from 1 to 3,600.");
    await type("Opens sessions for, in seconds", "120");
    field("Only these").click();
    await settled();
    await press("Make the token");
    expect(text(dialog())).toContain("Choose at least one model");
    field("mirage").click();
    await settled();
    await press("Make the token");
    expect(state.tokens).toEqual([{ expiresIn: 120, allowedModels: ["mirage"] }]);
    expect(dialog()!.querySelector<HTMLInputElement>("input[readonly]")!.value).toBe("ek_token");
    expect(text(dialog())).toMatch(/It opens sessions for (1 min|\d+ s)/);
  });
});
