// What pictures shall become.

import { type Fault, fault } from "./error.js";
import type { ClientFrame, Prompt, SetImage } from "./protocol.js";

/** What pictures shall become. Without a prompt and an image they come back as they are. */
export interface Look {
  /** In words. */
  readonly prompt?: Prompt | null | undefined;
  /** A reference image: the file, in base64. */
  readonly image?: string | null | undefined;
}

/** A change of the look. */
export type Update =
  /** Another prompt; the image stays. */
  | { readonly prompt: Prompt }
  /** Another image, or none, and the prompt as the message has it: absent leaves it. */
  | { readonly image: SetImage };

/** A prompt, which the server may rewrite for the model unless that is `false`. */
export function worded(prompt: string, enhance = true): Prompt {
  return { prompt, enhance_prompt: enhance };
}

/** Everything at once: what the look has not is taken away. */
export function whole({ prompt, image }: Look): Update {
  return { image: { image_data: image ?? null, ...(prompt ? prompt : { prompt: null }) } };
}

/** What a session begins with. One that goes on with an earlier one has a look already, which this replaces whole. */
export function opening(look: Look, goesOn: boolean): Update {
  return look.prompt && look.image == null && !goesOn ? { prompt: look.prompt } : whole(look);
}

export function message(update: Update): ClientFrame {
  return "prompt" in update
    ? { type: "prompt", ...update.prompt }
    : { type: "set_image", ...update.image };
}

/** What is wrong with it, if something is. */
export function mistake(update: Update): Fault | undefined {
  const prompt = "prompt" in update ? update.prompt.prompt : update.image.prompt;
  if (typeof prompt !== "string" || !/^\p{White_Space}*$/u.test(prompt)) return undefined;
  return fault("invalid_input", "a prompt needs at least one character");
}

/** The look after a change. Of a look that only the server knows, it stays unknown what this leaves as it is. */
export function applied(update: Update, look: Look | null): Look | null {
  if ("prompt" in update) return look && { ...look, prompt: update.prompt };
  const { image_data, prompt, enhance_prompt } = update.image;
  const image = image_data ?? null;
  if (prompt === undefined) return look && { prompt: look.prompt ?? null, image };
  return { prompt: prompt === null ? null : worded(prompt, enhance_prompt), image };
}
