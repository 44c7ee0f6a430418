// What is sent: a camera, a screen, or the test clip. There is one at a time.

import { Clip, type ClipSize } from "./clip";
import type { Problem } from "./problems";

export type SourceKind = "clip" | "camera" | "screen";

/** What of the browser is needed: another one in tests. */
export type Devices = Pick<MediaDevices, "getUserMedia" | "enumerateDevices"> &
  Partial<Pick<MediaDevices, "getDisplayMedia" | "addEventListener">>;

/** How a source is opened. */
interface Opening {
  readonly kind: SourceKind;
  /** Which camera, if it is to be a certain one. */
  readonly camera?: string | undefined;
}

export class Source {
  /** Called with what is sent from then on. */
  onTrack: ((track: MediaStreamTrack) => void) | undefined;
  /** Called when what was sent has ended by itself. */
  onEnd: ((problem: Problem) => void) | undefined;
  #kind = $state<SourceKind>("clip");
  #track = $state.raw<MediaStreamTrack>();
  #cameras = $state.raw<readonly MediaDeviceInfo[]>([]);
  #camera = $state<string>();
  #opening = $state<SourceKind>();
  #problem = $state.raw<Problem>();
  readonly #devices: Devices | undefined;
  readonly #clip: Pick<Clip, "open" | "close" | "age">;
  #size: ClipSize = { width: 1280, height: 704, fps: 25 };
  /** Counts what was chosen: a camera that is slow to open may come when something else was. */
  #choice = 0;

  constructor(devices: Devices | undefined = navigator.mediaDevices, clip: Pick<Clip, "open" | "close" | "age"> = new Clip()) {
    this.#devices = devices;
    this.#clip = clip;
    // A camera was plugged in, or out. Without permission there are no names to show, and no list.
    devices?.addEventListener?.("devicechange", () => {
      if (this.#cameras.length > 0) void this.#list();
    });
  }

  get kind(): SourceKind {
    return this.#kind;
  }

  /** What was chosen. Nothing, once that has ended by itself: then the same can be chosen again. Reactive. */
  get chosen(): SourceKind | undefined {
    return this.#opening ?? (this.#track || !this.#problem ? this.#kind : undefined);
  }

  /** What is sent. None before anything was opened, and after what was opened has ended. Reactive. */
  get track(): MediaStreamTrack | undefined {
    return this.#track;
  }

  /** What is being opened, while the browser asks for permission for example. Reactive. */
  get opening(): SourceKind | undefined {
    return this.#opening;
  }

  /** What is wrong with what was chosen. Reactive. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** Those there are to choose from, once one was permitted. Reactive. */
  get cameras(): readonly MediaDeviceInfo[] {
    return this.#cameras;
  }

  /** The id of the camera that is open. Reactive. */
  get camera(): string | undefined {
    return this.#camera;
  }

  get canShareScreen(): boolean {
    return this.#devices?.getDisplayMedia !== undefined;
  }

  /** The size and the rate that what is opened is to have. What is open is opened again if it can be without asking. */
  async fit(size: ClipSize): Promise<void> {
    const { width, height, fps } = this.#size;
    this.#size = size;
    const isOther = width !== size.width || height !== size.height || fps !== size.fps;
    if (isOther && this.#track && this.#kind !== "screen") await this.open({ kind: this.#kind, camera: this.#camera });
  }

  /** Opens something else. What was open stays if that fails, wherever both can be open at once. */
  async open(opening: Opening): Promise<void> {
    this.#choice += 1;
    const choice = this.#choice;
    this.#opening = opening.kind;
    this.#problem = undefined;
    // There is one clip, and many phones have one camera open at a time.
    if (opening.kind === "clip" || (opening.kind === "camera" && this.#kind === "camera")) this.#release();
    const track = await this.#request(opening).catch((error: unknown) => {
      if (choice === this.#choice) this.#problem = problemOf(error, opening.kind);
    });
    if (choice !== this.#choice) return track?.stop();
    if (track) this.#take(opening.kind, track);
    // Something has to be sent.
    else if (!this.#track) this.#take("clip", this.#clip.open(this.#size));
    this.#opening = undefined;
    if (this.#kind === "camera") await this.#list();
  }

  /** Lets go of everything: the light of the camera goes out. */
  close(): void {
    this.#choice += 1;
    this.#opening = this.#problem = undefined;
    this.#release();
    this.#kind = "clip";
  }

  /** How long ago, in milliseconds, what a video shows was drawn, if it is the clip. */
  age(video: HTMLVideoElement, now: number): number | undefined {
    return this.#kind === "clip" ? this.#clip.age(video, now) : undefined;
  }

  async #request({ kind, camera }: Opening): Promise<MediaStreamTrack> {
    const { width, height, fps } = this.#size;
    if (kind === "clip") return this.#clip.open(this.#size);
    const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } };
    const devices = this.#devices;
    if (!devices || (kind === "screen" && !devices.getDisplayMedia)) throw new DOMException("", "NotSupportedError");
    const which = camera ? { deviceId: { exact: camera } } : { facingMode: "user" };
    const stream =
      kind === "screen"
        ? await devices.getDisplayMedia!({ video: { ...LARGEST, frameRate: { ideal: fps } } })
        : await devices.getUserMedia({ video: { ...video, ...which } });
    return stream.getVideoTracks()[0]!;
  }

  #take(kind: SourceKind, track: MediaStreamTrack): void {
    if (this.#track) this.#release();
    // Rather fewer details than fewer pictures; of a screen, the other way round.
    track.contentHint = kind === "screen" ? "detail" : "motion";
    track.onended = () => this.#ended(track);
    this.#kind = kind;
    this.#track = track;
    this.#camera = kind === "camera" ? track.getSettings().deviceId : undefined;
    this.onTrack?.(track);
  }

  /** It stopped by itself: the cable was pulled, or sharing was ended in the browser. */
  #ended(track: MediaStreamTrack): void {
    if (this.#track !== track) return;
    const problem = (this.#problem = ENDED[this.#kind]);
    this.#track = undefined;
    this.onEnd?.(problem);
  }

  #release(): void {
    if (this.#kind === "clip") this.#clip.close();
    if (this.#track) this.#track.onended = null;
    this.#track?.stop();
    this.#track = undefined;
  }

  async #list(): Promise<void> {
    const all = await this.#devices?.enumerateDevices().catch(() => []);
    this.#cameras = (all ?? []).filter(({ kind }) => kind === "videoinput");
  }
}

/** Screens have more pixels than any model takes. Larger ones are made smaller here, and keep their shape. */
const LARGEST = { width: { max: 1920 }, height: { max: 1080 } };

const ENDED: Readonly<Record<SourceKind, Problem>> = {
  clip: { text: "The test clip stopped.", hint: "Choose it again." },
  camera: { text: "The camera stopped.", hint: "It may have been unplugged, or taken back its permission. Choose a source again." },
  screen: { text: "The screen is not shared any more.", hint: "Choose a source again." },
};

/** What keeps a source from opening, by the name of the browser's error. */
const PROBLEMS: Readonly<Record<string, Partial<Record<SourceKind, Problem>>>> = {
  NotAllowedError: {
    camera: {
      text: "The camera was not permitted.",
      hint: "Permit it where the browser shows the address of this page, also in the system's settings, and choose it again.",
    },
    screen: { text: "Nothing was shared.", hint: "Choose the screen again, and in the browser's window what is to be shown." },
  },
  NotFoundError: { camera: { text: "There is no camera.", hint: "Plug one in, or use the test clip." } },
  OverconstrainedError: { camera: { text: "That camera is gone.", hint: "Choose another one." } },
  NotReadableError: {
    camera: { text: "The camera cannot be opened.", hint: "Another program may be using it. Close that, and choose it again." },
    screen: { text: "The screen cannot be shared.", hint: "The system may forbid it to the browser. Look into its settings." },
  },
};

function problemOf(error: unknown, kind: SourceKind): Problem {
  const { name = "", message = "" } = error instanceof Error || error instanceof DOMException ? error : {};
  if (name === "NotSupportedError") return unsupported(kind);
  const what = { clip: "The test clip", camera: "The camera", screen: "The screen" }[kind];
  return PROBLEMS[name]?.[kind] ?? { text: `${what} cannot be used: ${message || name}.`, hint: "Choose another source." };
}

function unsupported(kind: SourceKind): Problem {
  if (!window.isSecureContext) {
    return {
      text: "Browsers give cameras and screens only to pages from https:// or from this machine itself.",
      hint: "Use the test clip, or open the app under such an address.",
    };
  }
  return { text: `This browser gives pages no ${kind}.`, hint: "Use the test clip, or another browser." };
}
