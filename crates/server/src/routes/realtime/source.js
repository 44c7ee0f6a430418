// What is sent: the camera, or the test clip.

import { Clip } from './clip.js';

const CAMERA_WORDS = {
  NotAllowedError: 'The camera was refused. Permit it in the browser, beside the address of this page, and choose it again.',
  NotFoundError: 'No camera was found. Plug one in, or use the test clip.',
  NotReadableError: 'The camera is there and cannot be opened: another program may be using it.',
  OverconstrainedError: 'That camera is gone. Choose another one.',
};

/** The one source there is, which can be changed at any time. */
export class Source {
  kind = '';
  stream = null;
  clip = new Clip();
  #close = () => {};
  #choice = 0;

  /** `stopped` is called when a camera stops by itself. */
  constructor({ stopped }) {
    this.stopped = stopped;
  }

  /**
   * Opens the clip, or a camera by its id, in a size and speed. Resolves to the new track, or to nothing if something
   * else was chosen meanwhile, however long a camera took. Rejects with words for people.
   */
  async use(kind, size, device) {
    const mine = ++this.#choice;
    // The clip has one canvas; two cameras at once are more than some phones have.
    this.#close();
    this.#close = () => {};
    let opened;
    try {
      opened = kind === 'camera' ? await this.#openCamera(size, device) : this.clip.open(size);
    } catch (error) {
      if (mine !== this.#choice) return null;
      throw error;
    }
    if (mine !== this.#choice) {
      opened.close();
      return null;
    }
    this.kind = kind;
    this.stream = opened.stream;
    this.#close = opened.close;
    const [track] = opened.stream.getVideoTracks();
    track.contentHint = 'motion';
    return track;
  }

  async #openCamera({ width, height, fps }, device) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error(isSecureContext ? 'This browser gives pages no camera.'
        : 'Browsers give a camera only to pages from https:// or from this machine itself. The test clip works here.');
    }
    const which = device ? { deviceId: { exact: device } } : { facingMode: 'user' };
    const video = { ...which, width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      throw new Error(CAMERA_WORDS[error.name] ?? `The camera cannot be used: ${error.message || error.name}`);
    }
    stream.getVideoTracks()[0].onended = () => this.stopped();
    return { stream, close: () => stream.getTracks().forEach((each) => each.stop()) };
  }
}

/** The cameras there are, as options of a select; the track's own is selected. */
export async function cameraOptions(track) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
  const { deviceId } = track.getSettings();
  return cameras.map((camera, index) =>
    new Option(camera.label || `Camera ${index + 1}`, camera.deviceId, false, camera.deviceId === deviceId));
}
