// The test clip: a scene that moves, a clock, and along the lower edge the number of the frame, by which the picture that
// comes back says how long it was on its way.

import { paint } from "./scene";
import { CELLS, Drawn, FRAMES, frameOf, strip } from "./timecode";

export interface ClipSize {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** The picture's height by the strip's. */
const STRIP = 20;
/** How slow the scene is for those who want little motion. */
const CALM = 0.12;
/** Of each cell, so many pixels in each direction are read. */
const CELL = 4;

export class Clip {
  readonly #canvas = document.createElement("canvas");
  readonly #drawn = new Drawn();
  #reader: CanvasRenderingContext2D | undefined;
  #frame = 0;
  #next = 0;

  /** Begins to move. There is one clip: opening it again ends what was opened before. */
  open({ width, height, fps }: ClipSize): MediaStreamTrack {
    this.close();
    Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext("2d", { alpha: false });
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
    let due = 0;
    const step = (now: number) => {
      this.#next = requestAnimationFrame(step);
      // A display's frame may come a little early.
      if (!context || now < due - 2) return;
      due = Math.max(due + 1000 / fps, now);
      this.#draw(context, (now / 1000) * (isCalm.matches ? CALM : 1));
    };
    this.#next = requestAnimationFrame(step);
    const [track] = this.#canvas.captureStream().getVideoTracks();
    return track!;
  }

  close(): void {
    cancelAnimationFrame(this.#next);
  }

  /** How long ago, in milliseconds, what a video shows was drawn. Nothing, if its strip cannot be read. */
  age(video: HTMLVideoElement, now: number): number | undefined {
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0) return undefined;
    const band = height / STRIP;
    // Of pictures that are upside down, it is the upper edge.
    for (const top of [height - band, 0]) {
      const frame = frameOf(this.#cells(video, top, width, band));
      if (frame !== undefined) return this.#drawn.age(frame, now);
    }
    return undefined;
  }

  #draw(context: CanvasRenderingContext2D, time: number): void {
    const { width, height } = this.#canvas;
    this.#frame = (this.#frame + 1) % FRAMES;
    paint(context, width, height, time);
    caption(context, height);
    const band = Math.ceil(height / STRIP);
    strip(this.#frame).forEach((isLight, cell) => {
      context.fillStyle = isLight ? "#fff" : "#000";
      context.fillRect(Math.floor((cell * width) / CELLS), height - band, Math.ceil(width / CELLS), band);
    });
    this.#drawn.set(this.#frame, performance.now());
  }

  /** How light each cell of a band of the video is. */
  #cells(video: HTMLVideoElement, top: number, width: number, height: number): number[] {
    this.#reader ??= reader();
    this.#reader.drawImage(video, 0, top, width, height, 0, 0, CELLS * CELL, CELL);
    // The middle of each, where its neighbours do not shine in.
    const { data } = this.#reader.getImageData(0, 1, CELLS * CELL, 2);
    const light = (x: number, row: number) => {
      const at = (row * CELLS * CELL + x) * 4;
      return ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0)) / 3;
    };
    return Array.from({ length: CELLS }, (_, cell) => {
      const x = cell * CELL + 1;
      return (light(x, 0) + light(x + 1, 0) + light(x, 1) + light(x + 1, 1)) / 4;
    });
  }
}

function reader(): CanvasRenderingContext2D {
  const canvas = Object.assign(document.createElement("canvas"), { width: CELLS * CELL, height: CELL });
  return canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
}

/** What it is, and what time it is where it is drawn. */
function caption(context: CanvasRenderingContext2D, height: number): void {
  const unit = height / 360;
  context.textBaseline = "top";
  context.lineJoin = "round";
  context.lineWidth = 5 * unit;
  const write = (words: string, font: string, y: number) => {
    context.font = font;
    context.strokeStyle = "#000000aa";
    context.strokeText(words, 20 * unit, y);
    context.fillStyle = "#fff";
    context.fillText(words, 20 * unit, y);
  };
  write("Dispatch", `700 ${46 * unit}px system-ui, sans-serif`, 14 * unit);
  write("test clip", `${17 * unit}px system-ui, sans-serif`, 66 * unit);
  // Above the strip, and what a page writes into the corner of a small picture.
  write(clock(new Date()), `600 ${26 * unit}px ui-monospace, Menlo, Consolas, monospace`, height - 94 * unit);
}

function clock(time: Date): string {
  const two = (value: number, length = 2) => String(value).padStart(length, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${two(time.getMilliseconds(), 3)}`;
}
