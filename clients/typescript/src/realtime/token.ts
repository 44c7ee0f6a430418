// What a viewer needs to find a session: text that a producer can hand out.

import { DispatchError } from "../error.js";
import type { SessionName } from "./connection.js";
import { isLike, isShort, isText } from "./protocol.js";

const isToken = isLike({ sid: isText, ip: isText, port: isShort });

export function token({ id, ip, port }: SessionName): string {
  return btoa(JSON.stringify({ sid: id, ip, port }));
}

/** Reads a token, of any client of the contract. */
export function untoken(token: string): SessionName {
  try {
    const read: unknown = JSON.parse(atob(token.replace(/-/g, "+").replace(/_/g, "/")));
    const { sid, ip, port } = read as { sid: string; ip: string; port: number };
    if (isToken(read) && sid && ip && port) return { id: sid, ip, port };
  } catch {
    // Said below.
  }
  throw new DispatchError("invalid_input", "this is no subscribe token");
}
