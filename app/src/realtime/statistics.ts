// What a peer connection says of itself, as figures for people. The browser counts from the beginning; rates are what lies
// between two counts.

/** The counts of one moment. */
export interface Counts {
  /** Milliseconds. */
  readonly at: number;
  readonly sent: Readonly<Record<string, number>> | undefined;
  readonly received: Readonly<Record<string, number>> | undefined;
  /** Of what was sent, the part that the server says was lost. */
  readonly lost: number | undefined;
  /** To the server and back, in seconds. */
  readonly roundTrip: number | undefined;
}

/** One direction of the video. What is not known is missing. */
export interface Flow {
  readonly pictures?: number;
  /** Bits a second. */
  readonly bits?: number;
  readonly width?: number;
  readonly height?: number;
  /** The part of the packets that were lost on the way, from 0 to 1. */
  readonly loss?: number;
}

/** The figures of the last second. */
export interface Figures {
  readonly sent: Flow;
  readonly received: Flow;
  /** Milliseconds. */
  readonly roundTrip?: number;
  /** What network and browser need for a picture there and back, in milliseconds. The server's own time is not in it. */
  readonly transport?: number;
}

export const NOTHING: Figures = { sent: {}, received: {} };

/** Takes from a report what counts here. */
export function counts(report: Pick<RTCStatsReport, "forEach">): Counts {
  const all: Stat[] = [];
  report.forEach((stat: Stat) => all.push(stat));
  const video = (type: string) => all.find((stat) => stat.type === type && stat.kind === "video");
  const sent = video("outbound-rtp");
  const received = video("inbound-rtp");
  const pair = all.find(({ type, nominated, state }) => type === "candidate-pair" && nominated === true && state === "succeeded");
  const roundTrip = pair?.["currentRoundTripTime"];
  const lost = video("remote-inbound-rtp")?.["fractionLost"];
  return {
    at: sent?.timestamp ?? received?.timestamp ?? 0,
    sent: sent && numbers(sent),
    received: received && numbers(received),
    lost: typeof lost === "number" ? lost : undefined,
    roundTrip: typeof roundTrip === "number" ? roundTrip : undefined,
  };
}

interface Stat {
  readonly type: string;
  readonly timestamp: number;
  readonly [name: string]: unknown;
}

function numbers(stat: Stat): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(stat).filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}

/** What happened between two moments. */
export function figures(now: Counts, before: Counts | undefined): Figures {
  const sent = between(now.sent, before?.sent);
  const received = between(now.received, before?.received);
  const trip = now.roundTrip === undefined ? undefined : now.roundTrip * 1000;
  return known<Figures>({
    sent: known<Flow>({
      pictures: sent.rate("framesEncoded"),
      bits: bits(sent),
      width: now.sent?.["frameWidth"],
      height: now.sent?.["frameHeight"],
      loss: now.lost,
    }),
    received: known<Flow>({
      pictures: received.rate("framesDecoded"),
      bits: bits(received),
      width: now.received?.["frameWidth"],
      height: now.received?.["frameHeight"],
      loss: loss(received),
    }),
    roundTrip: trip,
    transport: transport(trip, sent, received),
  });
}

interface Between {
  /** By how much a count grew. */
  readonly more: (name: string) => number | undefined;
  /** The same, a second. */
  readonly rate: (name: string) => number | undefined;
}

function between(now: Counts["sent"], before: Counts["sent"]): Between {
  const more = (name: string) => {
    const [newer, older] = [now?.[name], before?.[name]];
    // Counts that went back are those of another connection.
    return newer === undefined || older === undefined || newer < older ? undefined : newer - older;
  };
  const rate = (name: string) => {
    const [growth, time] = [more(name), more("timestamp")];
    return growth === undefined || !time ? undefined : (growth * 1000) / time;
  };
  return { more, rate };
}

function bits({ rate }: Between): number | undefined {
  const bytes = rate("bytesSent") ?? rate("bytesReceived");
  return bytes === undefined ? undefined : bytes * 8;
}

function loss({ more }: Between): number | undefined {
  const [lost, received] = [more("packetsLost"), more("packetsReceived")];
  return lost === undefined || received === undefined || lost + received === 0 ? undefined : lost / (lost + received);
}

/** There and back through the network, to encode here, and to put in order and decode here. */
function transport(roundTrip: number | undefined, sent: Between, received: Between): number | undefined {
  if (roundTrip === undefined) return undefined;
  const encoding = average(sent, "totalEncodeTime", "framesEncoded");
  const ordering = average(received, "jitterBufferDelay", "jitterBufferEmittedCount");
  const decoding = average(received, "totalDecodeTime", "framesDecoded");
  return ordering === undefined ? undefined : roundTrip + (encoding ?? 0) + ordering + (decoding ?? 0);
}

/** In milliseconds. */
function average({ more }: Between, seconds: string, count: string): number | undefined {
  const [time, pictures] = [more(seconds), more(count)];
  return time === undefined || !pictures ? undefined : (time * 1000) / pictures;
}

/** Without what is undefined. */
function known<T extends object>(all: { [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as T;
}
