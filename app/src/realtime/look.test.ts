import { DispatchError, type ImageOptions, type ImageSource, type LookInput } from "@dispatch/client";
import { beforeEach, expect, test } from "vitest";
import { type Changes, LookModel } from "./look.svelte";
import type { Picture } from "./picture";

interface Sent {
  readonly what: unknown;
  readonly done: (error?: Error) => Promise<void>;
}

let sent: Sent[];

const session: Changes = {
  set: (look: LookInput) => asked({ set: look }),
  setPrompt: (prompt: string, options?: object) => asked({ prompt, ...options }),
  setImage: (image: ImageSource | null, options?: ImageOptions) => asked({ image, ...options }),
};

function asked(what: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => {
      if (error) reject(error);
      else resolve();
      return settled();
    };
    sent.push({ what, done });
  });
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function picture(): Picture {
  return { blob: new Blob(["x"]), width: 1, height: 1 };
}

function running(): LookModel {
  const look = new LookModel();
  look.attach(session, look.begin());
  return look;
}

beforeEach(() => {
  sent = [];
});

test("a change goes out, and is applied when the server says so", async () => {
  const look = running();
  expect(look.isNew).toBe(false);
  look.prompt = " sketch ";
  expect(look.isNew).toBe(true);
  look.apply();
  expect([look.isNew, look.progress]).toEqual([false, "applying"]);
  expect(sent.map(({ what }) => what)).toEqual([{ prompt: "sketch", enhance: true }]);
  await sent[0]!.done();
  expect(look.progress).toBe("applied");
});

test("what is asked for meanwhile follows in one change", async () => {
  const look = running();
  for (const prompt of ["one", "two", "three"]) {
    look.prompt = prompt;
    look.apply();
  }
  await sent[0]!.done();
  expect(sent.map(({ what }) => what)).toEqual([
    { prompt: "one", enhance: true },
    { prompt: "three", enhance: true },
  ]);
  await sent[1]!.done();
  expect(look.progress).toBe("applied");
  expect(sent).toHaveLength(2);
});

test("only what changed is sent, and nothing is taken away that stays", async () => {
  const look = running();
  const image = picture();
  look.image = image;
  look.apply();
  await sent[0]!.done();
  look.prompt = "warm";
  look.apply();
  await sent[1]!.done();
  look.prompt = "";
  look.apply();
  await sent[2]!.done();
  look.image = undefined;
  look.prompt = "cool";
  look.enhance = false;
  look.apply();
  await sent[3]!.done();
  expect(sent.map(({ what }) => what)).toEqual([
    { image: image.blob },
    { prompt: "warm", enhance: true },
    { set: { prompt: null, enhance: true, image: image.blob } },
    { set: { prompt: "cool", enhance: false, image: null } },
  ]);
});

test("what the server does not take is said where it belongs, and stays written", async () => {
  const look = running();
  look.prompt = "too long";
  look.apply();
  await sent[0]!.done(new DispatchError("rejected", "Prompt too long"));
  expect(look.problem).toEqual({ field: "prompt", text: "Prompt too long." });
  expect([look.progress, look.prompt, look.isNew]).toEqual(["failed", "too long", true]);
  look.prompt = "short";
  look.image = picture();
  look.apply();
  expect(look.problem).toBeUndefined();
  await sent[1]!.done(new DispatchError("rejected", "Image too large"));
  expect(look.problem?.field).toBe("image");
});

test("a change that was lost with the connection follows when there is one again", async () => {
  const look = running();
  look.prompt = "neon";
  look.apply();
  await sent[0]!.done(new DispatchError("not_connected", "the connection was lost"));
  expect([look.progress, look.problem]).toEqual(["applying", undefined]);
  look.again();
  expect(sent[1]?.what).toEqual({ prompt: "neon", enhance: true });
  await sent[1]!.done();
  expect(look.progress).toBe("applied");
});

test("what comes late, of a session that is over, changes nothing", async () => {
  const look = running();
  look.prompt = "neon";
  look.apply();
  look.detach();
  await sent[0]!.done();
  expect([look.progress, look.isNew]).toEqual(["none", false]);
  look.apply();
  expect(sent).toHaveLength(1);
  expect(look.prompt).toBe("neon");
});

test("a session that begins with a look has it", () => {
  const look = new LookModel();
  look.prompt = "edges";
  const first = look.begin();
  expect(look.isNew).toBe(false);
  look.attach(session, first);
  expect([look.progress, sent.length]).toEqual(["applied", 0]);
});

test("what is changed while the session is set up follows", async () => {
  const look = new LookModel();
  const first = look.begin();
  look.prompt = "edges";
  look.apply();
  look.attach(session, first);
  expect(sent[0]?.what).toEqual({ prompt: "edges", enhance: true });
  await sent[0]!.done();
  expect(look.progress).toBe("applied");
});

test("of a look that the server kept, nothing stays that is not written here", async () => {
  const look = new LookModel();
  look.attach(session, look.begin(), { isKept: true });
  expect(sent).toHaveLength(0);
  look.prompt = "edges";
  look.apply();
  await sent[0]!.done();
  look.prompt = "warm";
  look.apply();
  expect(sent.map(({ what }) => what)).toEqual([
    { set: { prompt: "edges", enhance: true, image: null } },
    { prompt: "warm", enhance: true },
  ]);
});
