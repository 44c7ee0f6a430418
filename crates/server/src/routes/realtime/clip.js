// The test clip: things that effects show on, a clock, and along the lower edge the number of the frame in black and
// white, by which the picture that comes back says how long it was on its way.

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const CELLS = 16;
/** The strip's height is the picture's by this. */
const STRIP = 20;

/** The cells of a strip, from the left: light and dark to compare with, eight bits, four to check them, light and dark. */
function strip(frame) {
  const bits = (value, count) => Array.from({ length: count }, (_, at) => (value >> (count - 1 - at)) & 1);
  return [1, 0, ...bits(frame, 8), ...bits(check(frame), 4), 1, 0];
}

function check(frame) {
  return ((frame >> 4) * 7 + (frame & 15) * 3 + 5) & 15;
}

/** The number of the frame by how light each cell is; null if an effect has made it illegible. */
function frameOf(cells) {
  const light = (cells[0] + cells[14]) / 2;
  const dark = (cells[1] + cells[15]) / 2;
  if (Math.abs(light - dark) < 40) return null;
  const bits = cells.map((cell) => Number(Math.abs(cell - light) < Math.abs(cell - dark)));
  const value = (from, to) => bits.slice(from, to).reduce((sum, bit) => sum * 2 + bit, 0);
  const frame = value(2, 10);
  return value(10, 14) === check(frame) && bits[0] && !bits[1] && bits[14] && !bits[15] ? frame : null;
}

export class Clip {
  constructor() {
    this.canvas = document.createElement('canvas');
    this.canvas.width = this.canvas.height = 2;
    this.context = this.canvas.getContext('2d', { alpha: false });
    /** When each of the last 256 frames was drawn. */
    this.drawn = new Float64Array(256);
    this.frame = 0;
  }

  open({ width, height, fps }) {
    this.canvas.width = width;
    this.canvas.height = height;
    let due = 0;
    const step = (now) => {
      this.next = requestAnimationFrame(step);
      // A display's frame may come a little early.
      if (now < due - 2) return;
      due = Math.max(due + 1000 / fps, now);
      this.frame = (this.frame + 1) & 255;
      this.draw(now / 1000 * (calm.matches ? 0.12 : 1));
      this.drawn[this.frame] = performance.now();
    };
    cancelAnimationFrame(this.next);
    this.next = requestAnimationFrame(step);
    const stream = this.canvas.captureStream();
    return { stream, close: () => { cancelAnimationFrame(this.next); stream.getTracks().forEach((track) => track.stop()); } };
  }

  /** How long ago, in milliseconds, the frame was drawn of which a video shows the strip; null if that cannot be read. */
  age(video, now) {
    const { videoWidth: width, videoHeight: height } = video;
    this.reader ??= Object.assign(document.createElement('canvas'), { width: CELLS * 4, height: 4 })
      .getContext('2d', { alpha: false, willReadFrequently: true });
    this.reader.drawImage(video, 0, height - height / STRIP, width, height / STRIP, 0, 0, CELLS * 4, 4);
    const { data } = this.reader.getImageData(0, 1, CELLS * 4, 2);
    const cells = Array.from({ length: CELLS }, (_, cell) => {
      let sum = 0;
      for (const x of [1, 2]) for (const row of [0, 1]) {
        const at = (row * CELLS * 4 + cell * 4 + x) * 4;
        sum += data[at] + data[at + 1] + data[at + 2];
      }
      return sum / 12;
    });
    const frame = frameOf(cells);
    const age = frame === null ? NaN : now - this.drawn[frame];
    return age >= 0 && age < 5000 ? age : null;
  }

  draw(t) {
    const { context: c, canvas: { width: w, height: h } } = this;
    const u = h / 360;
    const disc = (x, y, r) => { c.beginPath(); c.arc(x, y, r, 0, 7); c.fill(); };

    const sky = c.createLinearGradient(0, 0, w * 0.3, h);
    const hue = (205 + t * 6) % 360;
    sky.addColorStop(0, `hsl(${hue} 70% 38%)`);
    sky.addColorStop(0.6, `hsl(${hue + 60} 75% 66%)`);
    sky.addColorStop(1, `hsl(${hue + 95} 90% 78%)`);
    c.fillStyle = sky;
    c.fillRect(0, 0, w, h);

    const sun = { x: w * (0.68 + 0.16 * Math.cos(t * 0.3)), y: h * (0.3 + 0.1 * Math.sin(t * 0.3)) };
    const glow = c.createRadialGradient(sun.x, sun.y, 10 * u, sun.x, sun.y, 120 * u);
    glow.addColorStop(0, '#fff6c9');
    glow.addColorStop(0.3, '#ffe08a');
    glow.addColorStop(0.32, '#ffd87055');
    glow.addColorStop(1, '#ffd87000');
    c.fillStyle = glow;
    disc(sun.x, sun.y, 120 * u);

    ['#3d5a80', '#2f4b5f', '#1f3b3a'].forEach((colour, layer) => {
      c.fillStyle = colour;
      c.beginPath();
      c.moveTo(0, h);
      for (let x = 0; x <= w + 8; x += 8) {
        const at = x / (110 * u) / (1 + layer * 0.3) + t * (0.2 + layer * 0.3);
        c.lineTo(x, h * (0.62 + layer * 0.1) - (Math.sin(at) * 22 + Math.sin(at * 2.3 + layer) * 9) * u);
      }
      c.lineTo(w, h);
      c.fill();
    });

    // Three shapes of plain colours that turn and cross.
    const shape = (colour, x, y, turn, corners) => {
      c.save();
      c.translate(x, y);
      c.rotate(turn);
      c.fillStyle = colour;
      c.strokeStyle = '#ffffffcc';
      c.lineWidth = 3 * u;
      c.beginPath();
      for (let corner = 0; corner < corners; corner++) {
        c.lineTo(36 * u * Math.cos(corner * 2 * Math.PI / corners), 36 * u * Math.sin(corner * 2 * Math.PI / corners));
      }
      c.closePath();
      c.fill();
      c.stroke();
      c.restore();
    };
    shape('#e63946', w * (0.5 + 0.36 * Math.sin(t * 0.7)), h * (0.5 + 0.2 * Math.sin(t * 1.1)), t, 3);
    shape('#2a9df4', w * (0.5 + 0.33 * Math.sin(t * 0.6 + 2)), h * (0.5 + 0.22 * Math.cos(t * 0.9)), -t * 0.8, 4);
    shape('#43aa4d', w * (0.5 + 0.38 * Math.cos(t * 0.5)), h * (0.45 + 0.2 * Math.sin(t * 0.8 + 4)), t * 0.5, 6);

    // A face, which cartoons and sketches are made for.
    const face = { x: w * 0.5 + Math.sin(t * 0.5) * 30 * u, y: h * 0.53 + Math.abs(Math.sin(t * 2)) * -14 * u };
    c.fillStyle = '#f7c59f';
    c.strokeStyle = '#5b3a29';
    c.lineWidth = 3 * u;
    disc(face.x, face.y, 58 * u);
    c.stroke();
    c.fillStyle = '#5b3a29';
    c.beginPath();
    c.ellipse(face.x, face.y - 34 * u, 56 * u, 26 * u, 0, Math.PI, 0);
    c.fill();
    const lid = t % 3 > 2.85 ? 0.15 : 1;
    for (const side of [-1, 1]) {
      c.fillStyle = '#fff';
      c.beginPath();
      c.ellipse(face.x + side * 21 * u, face.y - 6 * u, 11 * u, 13 * u * lid, 0, 0, 7);
      c.fill();
      c.fillStyle = '#23395b';
      disc(face.x + (side * 21 + Math.sin(t) * 4) * u, face.y - 5 * u, 5.5 * u * lid);
    }
    c.beginPath();
    c.arc(face.x, face.y + 10 * u, 26 * u, 0.25, Math.PI - 0.25);
    c.stroke();

    c.textBaseline = 'top';
    c.lineJoin = 'round';
    const text = (words, font, x, y) => {
      c.font = font;
      c.strokeStyle = '#000000aa';
      c.lineWidth = 5 * u;
      c.strokeText(words, x, y);
      c.fillStyle = '#fff';
      c.fillText(words, x, y);
    };
    text('Dispatch', `700 ${46 * u}px system-ui, sans-serif`, 20 * u, 14 * u);
    text('realtime test clip', `${17 * u}px system-ui, sans-serif`, 22 * u, 66 * u);
    const time = new Date();
    const two = (value, length = 2) => String(value).padStart(length, '0');
    const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${two(time.getMilliseconds(), 3)}`;
    text(clock, `600 ${26 * u}px ui-monospace, Menlo, Consolas, monospace`, 20 * u, h * (1 - 1 / STRIP) - 40 * u);

    ['#fff', '#ff0', '#0ff', '#0f0', '#f0f', '#f00', '#00f', '#888'].forEach((colour, index) => {
      c.fillStyle = colour;
      c.fillRect(w - (8 - index) * 18 * u - 16 * u, 18 * u, 18 * u, 30 * u);
    });

    strip(this.frame).forEach((bit, cell) => {
      c.fillStyle = bit ? '#fff' : '#000';
      c.fillRect(Math.floor(cell * w / CELLS), Math.floor(h - h / STRIP), Math.ceil(w / CELLS), Math.ceil(h / STRIP));
    });
  }
}
