// What a key is called, and how its balance reads.

import type { ApiKey } from "@dispatch/client";
import { credits } from "../lib/format";
import { decimal, micros } from "../usage/credits";
import { LOCAL } from "../usage/usage.svelte";

export const isLocal = ({ id }: Pick<ApiKey, "id">) => id === LOCAL;

export function nameOf(key: Pick<ApiKey, "id" | "name">): string {
  return isLocal(key) ? LOCAL : key.name || key.id;
}

/** `12.5`; of a key that never runs out, what it owes or used. */
export function balanceOf(key: ApiKey): string {
  const balance = micros(key.balance);
  if (key.funds === "prepaid" || balance > 0n) return credits(key.balance);
  if (balance === 0n) return isLocal(key) ? "nothing used" : "nothing owed";
  return `${isLocal(key) ? "used" : "owes"} ${credits(decimal(-balance))}`;
}

/** Whether all words of a query are in its name or id. */
export function hasWords(key: Pick<ApiKey, "id" | "name">, query: string): boolean {
  const text = `${nameOf(key)} ${key.id}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Whether it can begin nothing for want of credits. */
export function isUsedUp({ funds, balance, held }: ApiKey): boolean {
  return funds === "prepaid" && micros(balance) - micros(held) <= 0n;
}

/** An id of that many random bytes. Other ways to make one are for pages that came over HTTPS alone. */
export function randomId(bytes = 16): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
