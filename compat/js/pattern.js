// The moving picture of `pattern.json`, drawn in a page, and what is seen of it in the video that comes back.
// The same as ../python/pattern.py, where it is explained.

import PATTERN from "./pattern.json";

const { columns, rows, palette, phaseFrames, framesPerSecond } = PATTERN;
const phases = palette.length;

/** The colours of the picture, row by row. */
function cellsOf(phase) {
  return Array.from({ length: rows * columns }, (_, cell) => {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    return palette[(column + 3 * row + phase) % phases];
  });
}

const luma = ([red, green, blue]) => 0.299 * red + 0.587 * green + 0.114 * blue;

const EFFECTS = {
  none: (cells) => cells,
  invert: (cells) => cells.map((colour) => colour.map((part) => 255 - part)),
  mirror: (cells) =>
    cells.map((_, cell) => cells[Math.floor(cell / columns) * columns + columns - 1 - (cell % columns)]),
  grey: (cells) => cells.map((colour) => Array(3).fill(luma(colour))),
};

const EXPECTED = Object.entries(EFFECTS).flatMap(([effect, draw]) =>
  Array.from({ length: phases }, (_, phase) => ({ effect, phase, cells: draw(cellsOf(phase)) })),
);

function distance(some, others, inGrey) {
  let sum = 0;
  some.forEach((colour, cell) => {
    const other = others[cell];
    sum += inGrey
      ? Math.abs(luma(colour) - luma(other))
      : colour.reduce((all, part, index) => all + Math.abs(part - other[index]) / 3, 0);
  });
  return sum / some.length;
}

/** What these cells show. `inGrey` compares brightness alone, and then does not tell grey from none. */
function recognise(cells, inGrey) {
  const found = EXPECTED.filter(({ effect }) => !(inGrey && effect === "grey"))
    .map((expected) => ({ ...expected, error: distance(cells, expected.cells, inGrey) }))
    .sort((a, b) => a.error - b.error);
  const [{ effect, phase, error }] = found;
  const next = found.find((other) => other.effect !== effect).error;
  const isClear = error <= PATTERN.tolerance && next >= PATTERN.margin * Math.max(error, 1);
  return { effect, phase, error, next, isClear };
}

function chroma(colours) {
  const sums = [0, 0];
  for (const [red, green, blue] of colours) {
    sums[0] += (-0.169 * red - 0.331 * green + 0.5 * blue) / colours.length;
    sums[1] += (0.5 * red - 0.419 * green - 0.081 * blue) / colours.length;
  }
  return sums;
}

/** Whether the colours are nearer to the reference image's than to the picture's own. */
function isTinted(cells) {
  const [blue, red] = chroma([PATTERN.image]);
  const away = (colours) => Math.hypot(chroma(colours)[0] - blue, chroma(colours)[1] - red);
  return away(cells) < 0.6 * away(cellsOf(0));
}

function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** A stream of the picture, as a camera would give it. */
export function camera(width = 640, height = 352) {
  const screen = canvas(width, height);
  const context = screen.getContext("2d");
  let frame = 0;
  const draw = () => {
    const cells = cellsOf(Math.floor(frame / phaseFrames) % phases);
    cells.forEach((colour, cell) => {
      context.fillStyle = `rgb(${colour.join()})`;
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      context.fillRect((column * width) / columns, (row * height) / rows, width / columns, height / rows);
    });
    frame += 1;
  };
  draw();
  const timer = setInterval(draw, 1000 / framesPerSecond);
  const stream = screen.captureStream(framesPerSecond);
  return {
    stream,
    close() {
      clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

/** Shows a stream and looks at it. The newest stream counts. */
export class Screen {
  constructor() {
    this.video = Object.assign(document.createElement("video"), {
      muted: true,
      autoplay: true,
      playsInline: true,
    });
    document.body.append(this.video);
    this.canvas = canvas(columns * 20, rows * 20);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.show = (stream) => {
      if (this.video.srcObject !== stream) this.video.srcObject = stream;
      this.video.play().catch(() => {});
    };
  }

  close() {
    this.video.srcObject = null;
    this.video.remove();
  }

  /** The mean colours of the middles of the cells, or null while there is no picture. */
  cells() {
    if (this.video.readyState < 2 || this.video.videoWidth === 0) return null;
    const { width, height } = this.canvas;
    this.context.drawImage(this.video, 0, 0, width, height);
    return Array.from({ length: rows * columns }, (_, cell) => {
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      const { data } = this.context.getImageData(column * 20 + 7, row * 20 + 7, 6, 6);
      const colour = [0, 0, 0];
      data.forEach((part, index) => {
        if (index % 4 < 3) colour[index % 4] += part / 36;
      });
      return colour;
    });
  }

  /**
   * Waits until the picture moves and clearly has that effect, and the reference image's colours or not.
   * Three phases must be seen one after another with nothing else clear between them.
   */
  async sees(effect, { tinted, seconds = 20 } = {}) {
    const seen = [];
    let last = "no frame came";
    const end = performance.now() + seconds * 1000;
    while (seen.length < 3) {
      if (performance.now() > end) {
        throw new Error(`the picture is not ${effect} (tinted: ${tinted}); last seen: ${last}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
      const cells = this.cells();
      if (cells === null) continue;
      const sight = recognise(cells, tinted === true);
      const colours = isTinted(cells);
      const { videoWidth, videoHeight } = this.video;
      last = `${JSON.stringify(sight)}, tinted: ${colours}, ${videoWidth}x${videoHeight}`;
      if (!sight.isClear) continue;
      if (sight.effect !== effect || (tinted !== undefined && colours !== tinted)) {
        seen.length = 0;
      } else if (seen.length === 0 || [1, 2, 3].includes((sight.phase - seen.at(-1) + phases) % phases)) {
        seen.push(sight.phase);
      }
    }
  }
}

/** A PNG file in one colour. */
export async function referenceImage() {
  const picture = canvas(64, 64);
  const context = picture.getContext("2d");
  context.fillStyle = `rgb(${PATTERN.image.join()})`;
  context.fillRect(0, 0, 64, 64);
  return new Promise((resolve) => picture.toBlob(resolve, "image/png"));
}
