// Amounts of credits. They are decimals, exact to a millionth, and strings: a floating point number would round them.

const DIGITS = 6;
const ONE = 10n ** BigInt(DIGITS);

/** The least amount that there is. */
export const LEAST = 1 / Number(ONE);
const FORM = /^(-?)(\d+)(?:\.(\d{1,6}))?$/;

/** In millionths of a credit; `undefined` for what is no amount. */
export function parsed(text: string): bigint | undefined {
  const [, sign, whole, fraction = ""] = FORM.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const micros = BigInt(whole) * ONE + BigInt(fraction.padEnd(DIGITS, "0"));
  return sign ? -micros : micros;
}

/** An amount that a server wrote, in millionths of a credit. */
export function micros(text: string): bigint {
  return parsed(text) ?? 0n;
}

/** Millionths of a credit as a decimal: `12.5`. */
export function decimal(micros: bigint): string {
  const size = micros < 0n ? -micros : micros;
  const fraction = String(size % ONE).padStart(DIGITS, "0").replace(/0+$/, "");
  return `${micros < 0n ? "-" : ""}${size / ONE}${fraction && `.${fraction}`}`;
}

/** All of them together, in millionths of a credit. */
export function sum(amounts: Iterable<bigint>): bigint {
  let all = 0n;
  for (const amount of amounts) all += amount;
  return all;
}

/** As near as can be drawn. */
export function drawn(micros: bigint): number {
  return Number(micros) / Number(ONE);
}
