// Reference images, as they are sent: the file, in base64.

import { DispatchError } from "../error.js";

/** An image file: itself, a `data:` (in base64), `blob:` or `http(s):` URL of it, or its bytes in base64. */
export type ImageSource = Blob | string;

/** The file in base64. */
export async function base64(image: ImageSource, signal?: AbortSignal): Promise<string> {
  let source = image;
  if (typeof source === "string" && /^(https?|blob):/i.test(source)) source = await fetched(source, signal);
  const text = typeof source === "string" ? source : await dataUrl(source);
  return text.replace(/^data:[^,]*,|\s/g, "");
}

async function fetched(url: string, signal: AbortSignal | undefined): Promise<Blob> {
  try {
    const response = await fetch(url, { signal: signal ?? null });
    if (response.ok) return await response.blob();
  } catch {
    signal?.throwIfAborted();
  }
  throw new DispatchError("invalid_input", "the image cannot be fetched");
}

function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new DispatchError("invalid_input", "the image cannot be read"));
    reader.readAsDataURL(file);
  });
}
