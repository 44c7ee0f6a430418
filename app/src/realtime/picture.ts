// Reference images, small enough to travel.

export interface Picture {
  readonly blob: Blob;
  readonly width: number;
  readonly height: number;
}

/** The longest side, in pixels. Models look at colours and shapes, not at pores. */
const SIDE = 1024;

/** Reads an image file. Rejects with words for people. */
export async function readPicture(file: File): Promise<Picture> {
  const bitmap = await createImageBitmap(file).catch(() => {
    const what = file.name ? `“${file.name}”` : "that";
    throw new Error(`This browser cannot read ${what} as an image. Choose a PNG, JPEG or WebP file.`);
  });
  const { width, height } = fitted(bitmap.width, bitmap.height);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d")!;
  // What a PNG leaves open stays open: it does not count as colour.
  const type = file.type === "image/png" ? "image/png" : "image/jpeg";
  if (type === "image/jpeg") {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, 0.9));
  if (!blob) throw new Error("The image is too large for this browser. Choose a smaller one.");
  return { blob, width, height };
}

/** The same shape, with no side longer than what is sent. */
export function fitted(width: number, height: number): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** The image file of what was pasted or dropped, if there is one. */
export function imageOf(transfer: DataTransfer | null): File | undefined {
  return [...(transfer?.files ?? [])].find(({ type }) => type.startsWith("image/"));
}
