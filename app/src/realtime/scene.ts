// What the test clip shows: things on which effects show. Each function draws one of them, at a time in seconds.

type Context = CanvasRenderingContext2D;

/** A picture of the scene. */
export function paint(context: Context, width: number, height: number, time: number): void {
  const scene = { context, width, height, unit: height / 360, time };
  sky(scene);
  sun(scene);
  hills(scene);
  shapes(scene);
  face(scene);
  bars(scene);
}

interface Scene {
  readonly context: Context;
  readonly width: number;
  readonly height: number;
  /** One pixel of a picture that has 360 rows. */
  readonly unit: number;
  readonly time: number;
}

function sky({ context, width, height, time }: Scene): void {
  const gradient = context.createLinearGradient(0, 0, width * 0.3, height);
  const hue = (205 + time * 6) % 360;
  gradient.addColorStop(0, `hsl(${hue} 70% 38%)`);
  gradient.addColorStop(0.6, `hsl(${hue + 60} 75% 66%)`);
  gradient.addColorStop(1, `hsl(${hue + 95} 90% 78%)`);
  context.fillStyle = gradient;
  context.fillRect(0, 0, width, height);
}

function sun({ context, width, height, unit, time }: Scene): void {
  const x = width * (0.68 + 0.16 * Math.cos(time * 0.3));
  const y = height * (0.3 + 0.1 * Math.sin(time * 0.3));
  const glow = context.createRadialGradient(x, y, 10 * unit, x, y, 120 * unit);
  glow.addColorStop(0, "#fff6c9");
  glow.addColorStop(0.3, "#ffe08a");
  glow.addColorStop(0.32, "#ffd87055");
  glow.addColorStop(1, "#ffd87000");
  context.fillStyle = glow;
  disc(context, x, y, 120 * unit);
}

function hills({ context, width, height, unit, time }: Scene): void {
  ["#3d5a80", "#2f4b5f", "#1f3b3a"].forEach((colour, layer) => {
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width + 8; x += 8) {
      const at = x / (110 * unit) / (1 + layer * 0.3) + time * (0.2 + layer * 0.3);
      const rise = (Math.sin(at) * 22 + Math.sin(at * 2.3 + layer) * 9) * unit;
      context.lineTo(x, height * (0.62 + layer * 0.1) - rise);
    }
    context.lineTo(width, height);
    context.fill();
  });
}

/** Three shapes of plain colours that turn and cross. */
function shapes(scene: Scene): void {
  const { width, height, time } = scene;
  const at = (x: number, y: number) => [width * (0.5 + x), height * (0.5 + y)] as const;
  polygon(scene, 3, "#e63946", at(0.36 * Math.sin(time * 0.7), 0.2 * Math.sin(time * 1.1)), time);
  polygon(scene, 4, "#2a9df4", at(0.33 * Math.sin(time * 0.6 + 2), 0.22 * Math.cos(time * 0.9)), -time * 0.8);
  polygon(scene, 6, "#43aa4d", at(0.38 * Math.cos(time * 0.5), 0.2 * Math.sin(time * 0.8 + 4) - 0.05), time * 0.5);
}

function polygon(
  { context, unit }: Scene,
  corners: number,
  colour: string,
  [x, y]: readonly [number, number],
  turn: number,
): void {
  context.beginPath();
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = turn + (corner * 2 * Math.PI) / corners;
    context.lineTo(x + 36 * unit * Math.cos(angle), y + 36 * unit * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = "#ffffffcc";
  context.lineWidth = 3 * unit;
  context.stroke();
}

/** A face, which cartoons and sketches are made for. */
function face({ context, width, height, unit, time }: Scene): void {
  const x = width * 0.5 + Math.sin(time * 0.5) * 30 * unit;
  const y = height * 0.53 - Math.abs(Math.sin(time * 2)) * 14 * unit;
  context.fillStyle = "#f7c59f";
  context.strokeStyle = "#5b3a29";
  context.lineWidth = 3 * unit;
  disc(context, x, y, 58 * unit);
  context.stroke();
  context.fillStyle = "#5b3a29";
  context.beginPath();
  context.ellipse(x, y - 34 * unit, 56 * unit, 26 * unit, 0, Math.PI, 0);
  context.fill();
  const lid = time % 3 > 2.85 ? 0.15 : 1;
  for (const side of [-1, 1]) {
    context.fillStyle = "#fff";
    context.beginPath();
    context.ellipse(x + side * 21 * unit, y - 6 * unit, 11 * unit, 13 * unit * lid, 0, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#23395b";
    disc(context, x + (side * 21 + Math.sin(time) * 4) * unit, y - 5 * unit, 5.5 * unit * lid);
  }
  context.beginPath();
  context.arc(x, y + 10 * unit, 26 * unit, 0.25, Math.PI - 0.25);
  context.stroke();
}

/** The colours by which one sees what a look does to each. */
function bars({ context, width, unit }: Scene): void {
  ["#fff", "#ff0", "#0ff", "#0f0", "#f0f", "#f00", "#00f", "#888"].forEach((colour, index) => {
    context.fillStyle = colour;
    context.fillRect(width - (8 - index) * 18 * unit - 16 * unit, 18 * unit, 18 * unit, 30 * unit);
  });
}

function disc(context: Context, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
