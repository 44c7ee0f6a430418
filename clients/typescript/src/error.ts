// What a call can fail with.

import type { Fault, FaultCode } from "./realtime/error.js";
import type { ErrorBody, ErrorCode } from "./transport.js";

/** The kinds of errors: those of sessions, those that the server names, and one for answers that name none. */
export type DispatchErrorCode = FaultCode | ErrorCode | "unreachable" | "http";

/** What more is known of an error. */
export interface ErrorDetails {
  /** The status of the HTTP answer, if it was one. */
  readonly status?: number;
  /** What the server of a realtime session calls it, if it does: `insufficient_credits`, for example. */
  readonly type?: string | undefined;
  /** Whether another attempt would end in the same way. */
  readonly permanent?: boolean | undefined;
}

export interface DispatchError extends ErrorDetails {}

/** What a call of this client fails with. There is never a key in it. */
export class DispatchError extends Error {
  override readonly name = "DispatchError";
  /** What kind. Servers that are newer than this client can have more. */
  readonly code: DispatchErrorCode | (string & {});

  constructor(code: DispatchErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}

export function fromFault({ code, message, error_type, permanent }: Fault): DispatchError {
  return new DispatchError(code, message, { type: error_type, permanent });
}

/** What an answer says that is not a success. */
export async function fromAnswer(response: Response): Promise<DispatchError> {
  const { status } = response;
  const body = (await response.json().catch(() => undefined)) as Partial<ErrorBody> | undefined;
  const message = body?.error ?? `the server answered with status ${status}`;
  return new DispatchError(body?.code ?? "http", message, { status, permanent: !isPassing(status) });
}

/** Whether an answer that is no success is about the moment. A client's mistake stays one. */
export function isPassing(status: number): boolean {
  return status >= 500 || [408, 425, 429].includes(status);
}

/** Whether the same request may succeed in a moment. */
export function mayPass(error: unknown): boolean {
  return error instanceof DispatchError && !error.permanent;
}
