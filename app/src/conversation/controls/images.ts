// Images that are to go with a message: which are taken, and how they are sent.

import { bytes, plural } from "../../lib/format";

/** An image that goes with a message. */
export interface Attachment {
  readonly id: string;
  /** Of its file; for people. */
  readonly name: string;
  readonly mimeType: string;
  readonly size: number;
  /** All of it, as a `data:` address. */
  readonly url: string;
}

/** Images that were chosen: those that are taken, and why the others are not. */
export interface Chosen {
  readonly taken: readonly Attachment[];
  readonly refused: readonly string[];
}

/** What servers take. */
export const TYPES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** The most images of one message. */
const MOST = 20;

/** The most bytes of all images of a message. With the third that base64 adds, servers take no more by themselves. */
const MOST_BYTES = 11_000_000;

/** Reads those that go with a message, beside those that it has already. */
export async function choose(files: readonly File[], already: readonly Attachment[]): Promise<Chosen> {
  const taken: Attachment[] = [];
  const refused: string[] = [];
  let left = MOST_BYTES - already.reduce((sum, { size }) => sum + size, 0);
  for (const file of files) {
    const problem = objection(file, already.length + taken.length, left);
    const url = problem === undefined ? await read(file) : undefined;
    if (url === undefined) {
      refused.push(problem ?? `${called(file)} could not be read.`);
      continue;
    }
    left -= file.size;
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    taken.push({ id, name: called(file), mimeType: file.type, size: file.size, url });
  }
  return { taken, refused };
}

/** The images among what was pasted or dropped. */
export function filesOf(data: DataTransfer | null): readonly File[] {
  return data ? [...data.files] : [];
}

function objection(file: File, before: number, left: number): string | undefined {
  if (!TYPES.includes(file.type)) return `${called(file)} is not a PNG, JPEG, GIF or WebP image.`;
  if (before >= MOST) return `${called(file)} is one too many: a message takes ${plural(MOST, "image")}.`;
  if (file.size === 0) return `${called(file)} is empty.`;
  if (file.size > left) return `${called(file)} is too large: a message takes ${bytes(MOST_BYTES)} of images.`;
  return undefined;
}

function called(file: File): string {
  return file.name || "The image";
}

function read(file: File): Promise<string | undefined> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => resolve(undefined);
    reader.readAsDataURL(file);
  });
}
