// One peer connection of the browser.

/** Whom a peer tells what happens to it. */
export interface Told {
  readonly onCandidate: (candidate: RTCIceCandidateInit | null) => void;
  readonly onState: (state: "connected" | "interrupted" | "failed") => void;
  readonly onRemoteStream: (stream: MediaStream) => void;
  readonly onPeerConnection: (connection: RTCPeerConnection) => void;
}

export class Peer {
  readonly #pc: RTCPeerConnection;

  constructor(configuration: RTCConfiguration | undefined, told: Told) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
    this.#pc = pc;
    told.onPeerConnection(pc);
    const seen = new Set<string>();
    pc.ontrack = ({ streams, track }) => {
      const stream = streams[0] ?? new MediaStream([track]);
      // Sound and pictures of one stream are two tracks of it.
      if (seen.has(stream.id)) return;
      seen.add(stream.id);
      told.onRemoteStream(stream);
    };
    pc.onicecandidate = ({ candidate }) => told.onCandidate(candidate && candidate.toJSON());
    pc.onconnectionstatechange = () => {
      const { connectionState } = pc;
      if (connectionState === "connected" || connectionState === "failed") told.onState(connectionState);
      if (connectionState === "disconnected") told.onState("interrupted");
    };
  }

  /** Makes the offer that is to be sent: to send that stream, or only to receive if there is none. */
  async offer(
    stream: MediaStream | undefined,
    customize: ((offer: RTCSessionDescriptionInit) => void | Promise<void>) | undefined,
  ): Promise<string> {
    for (const track of stream?.getTracks() ?? []) {
      this.#pc.addTransceiver(track, { direction: "sendrecv", streams: [stream!] });
    }
    if (!stream) this.#pc.addTransceiver("video", { direction: "recvonly" });
    preferVp8(this.#pc);
    const offer = await this.#pc.createOffer();
    await customize?.(offer);
    await this.#pc.setLocalDescription(offer);
    return this.#pc.localDescription?.sdp ?? offer.sdp ?? "";
  }

  answer(sdp: string): Promise<void> {
    return this.#pc.setRemoteDescription({ type: "answer", sdp });
  }

  /** One address of the server more; one that cannot be used is no loss, all that count are in the answer. */
  async add(candidate: RTCIceCandidateInit): Promise<void> {
    await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  /** Frees it. The tracks that it sent stay as they are: they are the application's. */
  close(): void {
    this.#pc.close();
  }
}

function preferVp8(pc: RTCPeerConnection): void {
  const { codecs } = RTCRtpReceiver.getCapabilities?.("video") ?? { codecs: [] };
  const isVp8 = ({ mimeType }: { mimeType: string }) => Number(/vp8$/i.test(mimeType));
  codecs.sort((one, other) => isVp8(other) - isVp8(one));
  for (const transceiver of pc.getTransceivers()) {
    if (transceiver.receiver.track.kind === "video") transceiver.setCodecPreferences?.(codecs);
  }
}
