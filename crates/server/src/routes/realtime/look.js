// A look: the prompt and the reference image that are in force together.

/** The longest side of a reference image, in pixels. */
const SIDE = 1024;

/** The one message that makes one look of another, or nothing if they are the same. Without a first it says all. */
export function change(from, to) {
  const newPrompt = from?.prompt !== to.prompt;
  const newImage = !from || from.image !== to.image;
  if (!newPrompt && !newImage) return null;
  if (!newImage && to.prompt) return { type: 'prompt', prompt: to.prompt, enhance_prompt: true };
  const message = { type: 'set_image', image_data: to.image?.base64 ?? null };
  if (newPrompt) message.prompt = to.prompt || null;
  if (message.prompt) message.enhance_prompt = true;
  return message;
}

/** Reads an image file and makes it small enough to travel. */
export async function readImage(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`This browser cannot read ${file.name || 'that'} as an image. Choose a PNG or a JPEG file.`);
  });
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  const png = file.type === 'image/png';
  if (!png) {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const url = png ? canvas.toDataURL('image/png') : canvas.toDataURL('image/jpeg', 0.9);
  const base64 = url.slice(url.indexOf(',') + 1);
  return { url, base64, about: `${canvas.width} × ${canvas.height}, ${Math.ceil(base64.length * 3 / 4096)} kB` };
}
