// One connection to the server: signaling over a WebSocket, video over WebRTC.

/** How long anything that the server has to answer may take, in milliseconds. */
const PATIENCE = 30_000;
/** How long media may be away before they count as lost, in milliseconds. */
const GRACE = 5_000;

/**
 * One WebSocket and one peer connection, until either is gone. It never tries again; `over` resolves to why it ended.
 *
 * `emit` is told of `session`, `look`, `connected`, `generating`, `tick`, `media` and `error`.
 */
export class Connection {
  constructor({ url, stream, first, emit }) {
    this.emit = emit;
    this.asks = [];
    this.isOver = false;
    this.cause = {};
    this.over = new Promise((resolve) => { this.resolve = resolve; });
    this.patience = setTimeout(() => this.end({ text: 'No media connection came up in time.' }), PATIENCE);
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.wasOpen = true;
      this.negotiate(stream, first).catch((error) => this.end({ text: error.message, isFinal: error.isRefusal }));
    };
    this.socket.onmessage = ({ data }) => {
      if (this.isOver) return;
      let message;
      try { message = JSON.parse(data); } catch { return; }
      this.take(message);
    };
    this.socket.onclose = ({ code, reason }) => {
      const text = this.wasOpen ? 'The connection to the server was lost.' : 'The server could not be reached.';
      this.end({ text: reason || (code === 1013 ? 'The server is full.' : text), ...this.cause });
    };
  }

  /** Ends it from this side. */
  close() {
    this.end({});
  }

  /** Sends a `prompt` or a `set_image`. Rejects with the server's words, or if the connection ends before they come. */
  ask(message) {
    if (this.isOver) return Promise.reject(new Error('the connection ended'));
    return new Promise((resolve, reject) => {
      // It stays in the list when its time is over, since a late ack is still its own.
      const timer = setTimeout(() => reject(new Error('the server did not answer in time')), PATIENCE);
      this.asks.push({ kind: `${message.type}_ack`, resolve, reject, timer });
      this.send(message);
    });
  }

  async replace(track) {
    await this.sender?.replaceTrack(track);
  }

  /** What the peer connection measured since the last time; the round trip in milliseconds. */
  async stats() {
    if (!this.pc || this.isOver) return null;
    const all = [...(await this.pc.getStats()).values()];
    const video = (type) => all.find((each) => each.type === type && each.kind === 'video');
    const inbound = video('inbound-rtp');
    const outbound = video('outbound-rtp');
    const pair = all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
    const rate = (now, field, before) =>
      (now && before ? Math.max(0, (now[field] - before[field]) / (now.timestamp - before.timestamp) * 1000) : null);
    const measured = {
      received: rate(inbound, 'framesDecoded', this.before?.inbound),
      sent: rate(outbound, 'framesEncoded', this.before?.outbound),
      roundTrip: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    };
    this.before = { inbound, outbound };
    return measured;
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  take(message) {
    switch (message.type) {
      case 'session_id':
        this.emit('session', { sid: message.session_id, ip: message.server_ip, port: message.server_port });
        break;
      case 'prompt_ack':
      case 'set_image_ack': {
        const at = this.asks.findIndex(({ kind }) => kind === message.type);
        if (at < 0) break;
        const [{ resolve, reject, timer }] = this.asks.splice(at, 1);
        clearTimeout(timer);
        if (message.success) resolve();
        else reject(Object.assign(new Error(message.error ?? 'the server refused it'), { isRefusal: true }));
        break;
      }
      case 'answer':
        this.pc?.setRemoteDescription({ type: 'answer', sdp: message.sdp })
          .then(() => { this.isAnswered = true; })
          .catch((error) => this.end({ text: `The answer of the server cannot be used: ${error.message}` }));
        break;
      case 'ice-candidate':
        // All that count are in the answer.
        if (message.candidate && this.isAnswered) this.pc.addIceCandidate(message.candidate).catch(() => {});
        break;
      case 'generation_started':
        this.emit('generating');
        break;
      case 'generation_tick':
        this.emit('tick', message);
        break;
      case 'generation_ended':
        this.cause.reason = message.reason;
        break;
      case 'error':
        // One that is about a single message ends nothing.
        if (message.error_type !== 'invalid_message') Object.assign(this.cause, { text: message.error, type: message.error_type });
        this.emit('error', message.error);
        break;
      default:
    }
  }

  async negotiate(stream, first) {
    if (first) {
      await this.ask(first);
      if (this.isOver) return;
      this.emit('look');
    }
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc = pc;
    pc.ontrack = ({ streams, track }) => this.emit('media', streams[0] ?? new MediaStream([track]));
    pc.onconnectionstatechange = () => this.onMedia(pc.connectionState);
    // Candidates may be found before the offer is out, and must not overtake it.
    let early = [];
    pc.onicecandidate = ({ candidate }) => {
      const message = { type: 'ice-candidate', candidate: candidate && candidate.toJSON() };
      if (early) early.push(message);
      else this.send(message);
    };
    const transceiver = stream
      ? pc.addTransceiver(stream.getVideoTracks()[0], { direction: 'sendrecv', streams: [stream] })
      : pc.addTransceiver('video', { direction: 'recvonly' });
    if (stream) this.sender = transceiver.sender;
    const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs ?? [];
    const isVp8 = ({ mimeType }) => mimeType.toLowerCase() === 'video/vp8';
    if (codecs.some(isVp8)) {
      transceiver.setCodecPreferences?.([...codecs.filter(isVp8), ...codecs.filter((codec) => !isVp8(codec))]);
    }
    await pc.setLocalDescription(await pc.createOffer());
    if (this.isOver) return;
    this.send({ type: 'offer', sdp: pc.localDescription.sdp });
    early.forEach((message) => this.send(message));
    early = null;
  }

  onMedia(state) {
    clearTimeout(this.grace);
    if (this.isOver) return;
    if (state === 'connected') {
      clearTimeout(this.patience);
      this.emit('connected');
    } else if (state === 'disconnected') {
      this.grace = setTimeout(() => this.end({ text: 'No media came any more.' }), GRACE);
    } else if (state === 'failed') {
      this.end({ text: 'The media connection failed.' });
    }
  }

  end(cause) {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.patience);
    clearTimeout(this.grace);
    for (const { reject, timer } of this.asks.splice(0)) {
      clearTimeout(timer);
      reject(new Error('the connection ended'));
    }
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close(1000);
    this.pc?.close();
    this.resolve(cause);
  }
}
