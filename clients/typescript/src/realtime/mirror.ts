// The caller's pictures, left and right exchanged: what a person expects of a camera that looks at them.

/** Which streams are mirrored: `auto` means those of a camera that looks at the user. */
export type Mirror = boolean | "auto";

export interface Mirrored {
  readonly stream: MediaStream;
  /** Stops what was made here, and nothing of the caller's. */
  readonly release: () => void;
}

/**
 * The stream mirrored, unless it is of a camera that is not meant. The pictures are drawn anew, which costs some processor time, and stand still
 * while the page is hidden.
 */
export async function mirrored(source: MediaStream, mirror: true | "auto"): Promise<Mirrored | undefined> {
  const [track] = source.getVideoTracks();
  if (mirror === "auto" && track?.getSettings().facingMode !== "user") return undefined;
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.srcObject = new MediaStream(track ? [track] : []);
  await video.play();
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d")!;
  const draw = () => {
    const { videoWidth: width, videoHeight: height } = video;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.setTransform(-1, 0, 0, 1, width, 0);
    context.drawImage(video, 0, 0);
    // Without a source there is no next one.
    video.requestVideoFrameCallback(draw);
  };
  draw();
  const stream = canvas.captureStream();
  const own = stream.getTracks();
  for (const audio of source.getAudioTracks()) stream.addTrack(audio);
  const release = () => {
    video.srcObject = null;
    for (const track of own) track.stop();
  };
  return { stream, release };
}
