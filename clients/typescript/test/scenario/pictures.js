// What goes in and what comes back, for pages.

/** A stream of a canvas: red on the left, blue on the right. */
export function camera() {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 320, height: 180 });
  const context = canvas.getContext("2d");
  let turn = 0;
  const timer = setInterval(() => {
    turn += 1;
    context.fillStyle = "rgb(200, 20, 20)";
    context.fillRect(0, 0, 160, 180);
    context.fillStyle = "rgb(20, 20, 200)";
    context.fillRect(160, 0, 160, 180);
    // Something moves, so that each picture is another one.
    context.fillStyle = "white";
    context.fillRect((turn * 3) % 320, 0, 4, 8);
  }, 66);
  const stream = canvas.captureStream(15);
  const close = () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
  };
  return { stream, close };
}

/** An image of one colour, as a file. */
export function image(color) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 64, height: 64 });
  const context = canvas.getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 64, 64);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Shows a stream, and says of what colour it is. */
export class Screen {
  #video = document.createElement("video");
  /** How many streams were shown. */
  shown = 0;

  show = (stream) => {
    this.shown += 1;
    this.#video.muted = this.#video.playsInline = true;
    this.#video.srcObject = stream;
    this.#video.play().catch(() => {});
  };

  /** Red, green and blue on the left and on the right: which of them are strong. */
  look() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width) return "nothing";
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.drawImage(this.#video, 0, 0);
    const at = (x) => {
      const [red, green, blue] = context.getImageData(Math.floor(width * x), Math.floor(height / 2), 1, 1).data;
      return (red > 110 ? "r" : "") + (green > 110 ? "g" : "") + (blue > 110 ? "b" : "");
    };
    return `${at(0.25)} ${at(0.75)}`;
  }
}
