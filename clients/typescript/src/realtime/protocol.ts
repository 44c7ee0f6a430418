// The messages of a realtime session: one JSON object per WebSocket text frame.

/** A prompt, as it is sent. */
export interface Prompt {
  readonly prompt: string;
  readonly enhance_prompt: boolean;
}

/** Another image, or none. An absent prompt stays as it is, `null` takes it away. */
export interface SetImage {
  readonly image_data?: string | null | undefined;
  readonly prompt?: string | null | undefined;
  readonly enhance_prompt?: boolean | undefined;
}

/** An address at which one side can be reached, as browsers write it. */
export interface Candidate {
  readonly candidate: string;
  readonly sdpMid: string | null;
  readonly sdpMLineIndex: number | null;
  readonly usernameFragment?: string;
}

/** What a client sends. */
export type ClientFrame =
  | { readonly type: "offer"; readonly sdp: string }
  | { readonly type: "ice-candidate"; readonly candidate: Candidate | null }
  | ({ readonly type: "prompt" } & Prompt)
  | ({ readonly type: "set_image" } & SetImage);

/** What a server sends, as far as it means something to a client. */
export type ServerFrame =
  | {
      readonly type: "session_id";
      readonly session_id: string;
      readonly server_ip: string;
      readonly server_port: number;
    }
  | { readonly type: "answer"; readonly sdp: string }
  | { readonly type: "ice-candidate"; readonly candidate?: RTCIceCandidateInit | null }
  | { readonly type: "prompt_ack"; readonly prompt: string; readonly success: boolean; readonly error?: string | null }
  | { readonly type: "set_image_ack"; readonly success: boolean; readonly error?: string | null }
  | { readonly type: "generation_started" }
  | { readonly type: "generation_tick"; readonly seconds: number; readonly credits?: unknown }
  | { readonly type: "error"; readonly error: string; readonly error_type?: string | null };

type Fields = Readonly<Record<string, unknown>>;
/** Whether a value can be what it has to be. */
type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

export const isText: Check = (value) => typeof value === "string";
const isFlag: Check = (value) => typeof value === "boolean";
const isNumber = (value: unknown, most: number) => typeof value === "number" && value >= 0 && value <= most;
const isSeconds: Check = (value) => isNumber(value, 2 ** 53);
const isCount: Check = (value) => isSeconds(value) && Number.isInteger(value);
export const isShort: Check = (value) => isCount(value) && isNumber(value, 0xffff);
export const isLike =
  (shape: Shape): Check =>
  (value) =>
    Object.entries(shape).every(([name, is]) => is((value as Fields)[name]));
const maybe =
  (is: Check): Check =>
  (value) =>
    value == null || is(value);

/** What the fields of each frame have to be: also of those that mean nothing here. */
const CANDIDATE = {
  candidate: isText,
  sdpMid: maybe(isText),
  sdpMLineIndex: maybe(isShort),
  usernameFragment: maybe(isText),
};
const RELAY = { username: isText, credential: isText, server_url: isText };
const FRAMES: Readonly<Record<string, Shape>> = {
  session_id: { session_id: isText, server_ip: isText, server_port: isShort },
  answer: { sdp: isText },
  offer: { sdp: isText },
  "ice-candidate": { candidate: maybe(isLike(CANDIDATE)) },
  prompt_ack: { prompt: isText, success: isFlag, error: maybe(isText) },
  set_image_ack: { success: isFlag, error: maybe(isText) },
  generation_tick: { seconds: isSeconds },
  generation_ended: { seconds: isSeconds, reason: isText },
  error: { error: isText, error_type: maybe(isText) },
  "ice-restart": { turn_config: maybe(isLike(RELAY)) },
  status: { status: isText },
  queue_position: { position: isCount, queue_size: isCount },
};

/** Reads a frame: one of a known type, or one that means nothing here. Nothing, if it cannot be read. */
export function parse(text: string): ServerFrame | undefined {
  try {
    const frame = JSON.parse(text) as Fields;
    if (isText(frame.type) && isLike(FRAMES[frame.type as string] ?? {})(frame)) return frame as unknown as ServerFrame;
  } catch {
    // It is no JSON object.
  }
  return undefined;
}

/** An address with the fields that are sent, and no others. */
export function candidate({ candidate, sdpMid, sdpMLineIndex, usernameFragment }: RTCIceCandidateInit): Candidate {
  const fragment = usernameFragment == null ? {} : { usernameFragment };
  return { candidate: candidate ?? "", sdpMid: sdpMid ?? null, sdpMLineIndex: sdpMLineIndex ?? null, ...fragment };
}
