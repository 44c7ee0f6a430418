// The number of a frame, as a strip of light and dark cells along an edge of the picture. Whoever sees the picture again
// knows by it when that was drawn, whatever was done to its colours meanwhile.

/** How many cells a strip has: two to compare with, eight bits, eight that check them, and two to compare with. */
export const CELLS = 20;

/** Numbers of frames begin again after so many. */
export const FRAMES = 256;

/** How far apart light and dark are at least, of 255. Below that it was no strip. */
const CONTRAST = 40;

/** Whether each cell is light, from the left. The ends differ, so that a mirrored strip is not taken for another one. */
export function strip(frame: number): readonly boolean[] {
  return [true, false, ...bits(frame), ...bits(check(frame)), true, true];
}

/** The number of a frame by how light its cells are, from 0 to 255. Nothing, if they cannot be read. */
export function frameOf(cells: readonly number[]): number | undefined {
  return straight(cells) ?? straight(cells.toReversed());
}

function straight(cells: readonly number[]): number | undefined {
  const light = ((cells[0] ?? 0) + (cells[CELLS - 2] ?? 0) + (cells[CELLS - 1] ?? 0)) / 3;
  const dark = cells[1] ?? 0;
  if (cells.length !== CELLS || Math.abs(light - dark) < CONTRAST) return undefined;
  const isLight = cells.map((cell) => Math.abs(cell - light) < Math.abs(cell - dark));
  const frame = number(isLight.slice(2, 10));
  return strip(frame).every((cell, at) => cell === isLight[at]) ? frame : undefined;
}

/** Each frame has another one, and neighbours differ in several bits. */
function check(frame: number): number {
  return (frame * 167 + 90) & 255;
}

function bits(value: number): boolean[] {
  return Array.from({ length: 8 }, (_, at) => ((value >> (7 - at)) & 1) === 1);
}

function number(bits: readonly boolean[]): number {
  return bits.reduce((sum, bit) => sum * 2 + Number(bit), 0);
}

/** When frames were drawn. */
export class Drawn {
  readonly #times = new Float64Array(FRAMES).fill(NaN);

  set(frame: number, at: number): void {
    this.#times[frame] = at;
  }

  /** How long ago a frame was drawn. Nothing, if that is longer than numbers tell apart. */
  age(frame: number, now: number): number | undefined {
    const age = now - (this.#times[frame] ?? NaN);
    return age >= 0 && age < LONGEST ? age : undefined;
  }
}

/** In milliseconds. At 30 frames a second, numbers begin again after eight and a half seconds. */
const LONGEST = 5_000;
