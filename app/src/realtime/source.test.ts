import { beforeEach, expect, test, vi } from "vitest";
import { type Devices, Source } from "./source.svelte";

const SIZE = { width: 640, height: 360, fps: 20 };

interface Track extends MediaStreamTrack {
  readonly constraints: unknown;
  readonly isStopped: boolean;
}

function track(name: string, constraints?: unknown): Track {
  const made = {
    name,
    constraints,
    isStopped: false,
    contentHint: "",
    onended: null,
    stop: () => (made.isStopped = true),
    getSettings: () => ({ deviceId: name }),
  };
  return made as unknown as Track;
}

const stream = (track: Track) => ({ getVideoTracks: () => [track] }) as unknown as MediaStream;
const nameOf = (track: MediaStreamTrack | undefined) => (track as unknown as { name: string } | undefined)?.name;
const refuse = (name: string) => Promise.reject(new DOMException("no", name));

const clip = { open: vi.fn(() => track("clip") as MediaStreamTrack), close: vi.fn(), age: () => 80 };
const devices = {
  getUserMedia: vi.fn<Devices["getUserMedia"]>(),
  getDisplayMedia: vi.fn<MediaDevices["getDisplayMedia"]>(),
  enumerateDevices: vi.fn<Devices["enumerateDevices"]>(),
};
const camera = (deviceId: string, kind: MediaDeviceKind = "videoinput") => ({ deviceId, kind, label: deviceId }) as MediaDeviceInfo;

let source: Source;

beforeEach(async () => {
  vi.resetAllMocks();
  clip.open.mockImplementation(() => track("clip"));
  devices.enumerateDevices.mockResolvedValue([camera("front"), camera("back"), camera("ear", "audioinput")]);
  devices.getUserMedia.mockImplementation(async (constraints) => stream(track("front", constraints)));
  devices.getDisplayMedia.mockImplementation(async (constraints) => stream(track("desktop", constraints)));
  source = new Source(devices, clip);
  await source.fit(SIZE);
  await source.open({ kind: "clip" });
});

test("each source is opened in the size of the model, and tells its track", async () => {
  const told: (string | undefined)[] = [];
  source.onTrack = (track) => told.push(nameOf(track));
  const first = source.track as Track;
  await source.open({ kind: "camera" });
  expect(first.isStopped).toBe(true);
  expect([source.kind, source.camera, nameOf(source.track)]).toEqual(["camera", "front", "front"]);
  expect(source.cameras.map(({ deviceId }) => deviceId)).toEqual(["front", "back"]);
  await source.open({ kind: "camera", camera: "back" });
  await source.open({ kind: "screen" });
  expect(source.track?.contentHint).toBe("detail");
  await source.open({ kind: "clip" });
  expect(told).toEqual(["front", "front", "desktop", "clip"]);
  const size = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 20 } };
  expect(devices.getUserMedia.mock.calls).toEqual([
    [{ video: { ...size, facingMode: "user" } }],
    [{ video: { ...size, deviceId: { exact: "back" } } }],
  ]);
  expect(devices.getDisplayMedia).toHaveBeenCalledExactlyOnceWith({
    video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: 20 } },
  });
  expect(clip.open.mock.calls).toEqual([[SIZE], [SIZE]]);
});

test("what was open stays when something else is not permitted, and it is said what to do", async () => {
  const first = source.track;
  devices.getDisplayMedia.mockImplementation(() => refuse("NotAllowedError"));
  await source.open({ kind: "screen" });
  expect([source.kind, source.track, source.opening]).toEqual(["clip", first, undefined]);
  expect(source.problem).toMatchObject({ text: "Nothing was shared." });
  devices.getUserMedia.mockImplementation(() => refuse("NotAllowedError"));
  await source.open({ kind: "camera" });
  expect(source.problem).toMatchObject({ text: "The camera was not permitted.", hint: expect.stringContaining("Permit it") });
  devices.getUserMedia.mockImplementation(() => refuse("OddError"));
  await source.open({ kind: "camera" });
  expect(source.problem?.text).toBe("The camera cannot be used: no.");
  await source.open({ kind: "clip" });
  expect(source.problem).toBeUndefined();
});

test("when another camera fails, the clip takes the place of the first one, which is closed by then", async () => {
  await source.open({ kind: "camera" });
  const first = source.track as Track;
  devices.getUserMedia.mockImplementation(async () => {
    expect(first.isStopped).toBe(true);
    throw new DOMException("", "OverconstrainedError");
  });
  await source.open({ kind: "camera", camera: "gone" });
  expect([source.kind, nameOf(source.track)]).toEqual(["clip", "clip"]);
  expect(source.problem?.text).toBe("That camera is gone.");
});

test("a camera that comes when something else was chosen is let go of", async () => {
  const late = track("late");
  let permit!: () => void;
  devices.getUserMedia.mockImplementation(() => new Promise((resolve) => (permit = () => resolve(stream(late)))));
  const asking = source.open({ kind: "camera" });
  expect(source.opening).toBe("camera");
  await source.open({ kind: "screen" });
  permit();
  await asking;
  expect([late.isStopped, source.kind, source.opening]).toEqual([true, "screen", undefined]);
  const closing = source.open({ kind: "camera" });
  source.close();
  permit();
  await closing;
  expect(source.track).toBeUndefined();
});

test("a source that stops by itself says so", async () => {
  await source.open({ kind: "screen" });
  const onEnd = vi.fn();
  source.onEnd = onEnd;
  expect(source.chosen).toBe("screen");
  source.track!.onended?.(new Event("ended"));
  expect(source.track).toBeUndefined();
  expect(source.problem).toMatchObject({ text: "The screen is not shared any more." });
  expect(onEnd).toHaveBeenCalledExactlyOnceWith(source.problem);
  // Nothing is chosen, so that the same can be.
  expect(source.chosen).toBeUndefined();
  await source.open({ kind: "screen" });
  expect([source.chosen, source.problem, nameOf(source.track)]).toEqual(["screen", undefined, "desktop"]);
});

test("another size opens what can be opened without asking again", async () => {
  await source.fit(SIZE);
  expect(clip.open).toHaveBeenCalledTimes(1);
  await source.fit({ ...SIZE, width: 320 });
  expect(clip.open).toHaveBeenLastCalledWith({ ...SIZE, width: 320 });
  await source.open({ kind: "screen" });
  await source.fit(SIZE);
  expect(devices.getDisplayMedia).toHaveBeenCalledTimes(1);
});

test("only the clip has a time code", async () => {
  clip.age = () => 80;
  expect(source.age(document.createElement("video"), 0)).toBe(80);
  await source.open({ kind: "camera" });
  expect(source.age(document.createElement("video"), 0)).toBeUndefined();
});

test("a browser without cameras says so", async () => {
  const poor = new Source(undefined, clip);
  await poor.open({ kind: "camera" });
  expect(poor.problem).toBeDefined();
  expect([poor.kind, poor.canShareScreen]).toEqual(["clip", false]);
});
