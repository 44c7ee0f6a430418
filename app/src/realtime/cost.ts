// What seconds cost, exactly: credits are decimals.

import { decimal, micros } from "../usage/credits";

/** What so many seconds cost, after what had been paid before. With all digits of the price, so that its width stays. */
export function cost(seconds: number, perSecond: string, before = "0"): string {
  const all = micros(before) + BigInt(seconds) * micros(perSecond);
  const [whole = "0", fraction = ""] = decimal(all).split(".");
  const digits = decimal(micros(perSecond)).split(".")[1]?.length ?? 0;
  return digits > 0 || fraction ? `${whole}.${fraction.padEnd(digits, "0")}` : whole;
}

/** What a second costs, in words. */
export function price(perSecond: string): string {
  if (isFree(perSecond)) return "free";
  const amount = decimal(micros(perSecond));
  return `${amount} ${amount === "1" ? "credit" : "credits"} a second`;
}

export function isFree(perSecond: string): boolean {
  return micros(perSecond) === 0n;
}

/** For how many more seconds credits are enough. */
export function secondsLeft(credits: string, perSecond: string): number {
  if (isFree(perSecond)) return Infinity;
  const left = micros(credits);
  return left <= 0n ? 0 : Number(left / micros(perSecond));
}

/** Credits are nearly used up when they are enough for fewer seconds than that. */
const FEW = 60;

/** Whether it is time to warn: the session ends with the second that cannot be paid. */
export function isLow(credits: string | undefined, perSecond: string | undefined): boolean {
  return credits !== undefined && perSecond !== undefined && secondsLeft(credits, perSecond) < FEW;
}
