import { expect, test } from "vitest";
import { type Attachment, choose, filesOf } from "./images";

function file(name: string, type = "image/png", size = 4): File {
  return new File([new Uint8Array(size)], name, { type });
}

test("images are read as data addresses", async () => {
  const { taken, refused } = await choose([file("a.png"), file("b.webp", "image/webp")], []);
  expect(refused).toEqual([]);
  expect(taken.map(({ name, mimeType, size, url }) => ({ name, mimeType, size, url }))).toEqual([
    { name: "a.png", mimeType: "image/png", size: 4, url: "data:image/png;base64,AAAAAA==" },
    { name: "b.webp", mimeType: "image/webp", size: 4, url: "data:image/webp;base64,AAAAAA==" },
  ]);
  expect(new Set(taken.map(({ id }) => id)).size).toBe(2);
});

test("what is no image that servers take is refused by name, and the others are taken", async () => {
  const { taken, refused } = await choose(
    [file("notes.pdf", "application/pdf"), file("a.svg", "image/svg+xml"), file("none.png", "image/png", 0), file("a.png")],
    [],
  );
  expect(taken.map(({ name }) => name)).toEqual(["a.png"]);
  expect(refused).toEqual([
    "notes.pdf is not a PNG, JPEG, GIF or WebP image.",
    "a.svg is not a PNG, JPEG, GIF or WebP image.",
    "none.png is empty.",
  ]);
});

test("the images of a message have a size that they may have together", async () => {
  const already = [{ size: 10_999_000 } as Attachment];
  const { taken, refused } = await choose([file("large.png", "image/png", 1_001), file("small.png", "image/png", 1_000)], already);
  expect(taken.map(({ name }) => name)).toEqual(["small.png"]);
  expect(refused).toEqual(["large.png is too large: a message takes 11 MB of images."]);
});

test("a message takes twenty images", async () => {
  const already = Array.from({ length: 19 }, () => ({ size: 1 }) as Attachment);
  const { taken, refused } = await choose([file("a.png"), file("b.png")], already);
  expect(taken.map(({ name }) => name)).toEqual(["a.png"]);
  expect(refused).toEqual(["b.png is one too many: a message takes 20 images."]);
});

test("what was pasted may bring no files", () => {
  expect(filesOf(null)).toEqual([]);
});
