import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import ImageInput from "./ImageInput.svelte";

let view: ReturnType<typeof mount>;

beforeEach(() => {
  view = mount(ImageInput, { target: document.body, props: { image: undefined, onchoose: vi.fn() } });
  flushSync();
});

afterEach(() => unmount(view));

/** Pastes an image somewhere in the page, with what else the clipboard has. */
function paste(...types: string[]): Event {
  const event = new Event("paste", { bubbles: true, cancelable: true });
  const files = [new File(["x"], "a.png", { type: "image/png" })];
  Object.assign(event, { clipboardData: { files, types: [...types, "Files"] } });
  document.body.dispatchEvent(event);
  return event;
}

test("an image that is pasted anywhere is taken", () => {
  vi.stubGlobal("createImageBitmap", () => new Promise(() => {}));
  expect(paste().defaultPrevented).toBe(true);
});

test("a text stays a text, also if an office program adds a picture of it", () => {
  expect(paste("text/plain", "text/html").defaultPrevented).toBe(false);
});
