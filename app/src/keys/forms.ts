// What is typed to make keys, deposits and client tokens: what is wrong with it, in words, and what the server is asked for.

import type { ClientTokenRequest, CreateKeyRequest, CreditKeyRequest, KeyFunds } from "@dispatch/client";
import { decimal, parsed } from "../usage/credits";

/** What is wrong, by field. */
export type Faults<Form> = { readonly [Field in keyof Form]?: string };

/** A form that is being filled in. */
export type Editable<Form> = { -readonly [Field in keyof Form]: Form[Field] };

export const hasFaults = (faults: object) => Object.values(faults).some((fault) => fault !== undefined);

/** The longest name, note or name of a deposit, in bytes. */
const TEXT_BYTES = 256;
/** The largest amount that the ledger can count, in millionths. */
const MOST = 2n ** 63n - 1n;

export interface KeyForm {
  readonly name: string;
  readonly funds: KeyFunds;
  /** What its balance begins with; may be empty. */
  readonly credits: string;
}

export function keyFaults({ name, funds, credits }: KeyForm): Faults<KeyForm> {
  return faults({
    name: name.trim() ? long(name) : "Give it a name, so that you know later whose it is.",
    credits: funds === "prepaid" && credits.trim() ? amountFault(credits) : undefined,
  });
}

export function keyRequest({ name, funds, credits }: KeyForm): CreateKeyRequest {
  if (funds === "unlimited") return { name: name.trim(), unlimited: true };
  return { name: name.trim(), credits: decimal(amount(credits) ?? 0n) };
}

export interface CreditForm {
  readonly direction: "add" | "take";
  readonly credits: string;
  /** What the deposit is called elsewhere: an invoice, for example. May be empty. */
  readonly deposit: string;
  readonly note: string;
}

export function creditFaults({ credits, deposit, note }: CreditForm): Faults<CreditForm> {
  const isNothing = amount(credits) === 0n;
  return faults({
    credits: isNothing ? "Enter an amount that is more than nothing." : amountFault(credits),
    deposit: long(deposit),
    note: long(note),
  });
}

/** In millionths; below zero if it is taken. `undefined` while it is no amount. */
export function creditChange({ direction, credits }: CreditForm): bigint | undefined {
  const size = amount(credits);
  return size !== undefined && direction === "take" ? -size : size;
}

/** `id` names the deposit where nobody gave it a name. */
export function creditRequest(form: CreditForm, id: string): CreditKeyRequest {
  const note = form.note.trim();
  return {
    credits: decimal(creditChange(form) ?? 0n),
    depositId: form.deposit.trim() || id,
    ...(note && { note }),
  };
}

export interface TokenForm {
  /** In seconds. */
  readonly life: string;
  readonly isForAll: boolean;
  readonly models: readonly string[];
  /** One on each line; may be empty. */
  readonly origins: string;
  /** In seconds; may be empty. */
  readonly duration: string;
}

const LONGEST_LIFE = 3600;
const SHORTEST_DURATION = 10;
const MOST_NAMES = 20;

export function tokenFaults({ life, isForAll, models, origins, duration }: TokenForm): Faults<TokenForm> {
  return faults({
    life: wholeFault(life, 1, LONGEST_LIFE, "Enter a whole number of seconds, from 1 to 3,600."),
    models: isForAll ? undefined : modelsFault(models),
    origins: originsFault(lines(origins)),
    duration: duration.trim()
      ? wholeFault(duration, SHORTEST_DURATION, 2 ** 32 - 1, "Enter a whole number of seconds, at least 10, or nothing.")
      : undefined,
  });
}

export function tokenRequest({ life, isForAll, models, origins, duration }: TokenForm): ClientTokenRequest {
  const allowedOrigins = lines(origins);
  return {
    expiresIn: Number(life),
    ...(!isForAll && { allowedModels: models }),
    ...(allowedOrigins.length > 0 && { allowedOrigins }),
    ...(duration.trim() && { constraints: { realtime: { maxSessionDuration: Number(duration) } } }),
  };
}

/** A whole number that was typed. */
export function whole(text: string): number | undefined {
  return /^\d{1,10}$/.test(text.trim()) ? Number(text) : undefined;
}

function wholeFault(text: string, least: number, most: number, fault: string): string | undefined {
  const value = whole(text);
  return value !== undefined && value >= least && value <= most ? undefined : fault;
}

function modelsFault(models: readonly string[]): string | undefined {
  if (models.length === 0) return "Choose at least one model, or every model.";
  return models.length > MOST_NAMES ? "Choose at most 20 models, or every model." : undefined;
}

function originsFault(origins: readonly string[]): string | undefined {
  if (origins.length > MOST_NAMES) return "Name at most 20 origins.";
  const wrong = origins.find((origin) => originOf(origin) !== origin);
  if (wrong === undefined) return undefined;
  const meant = originOf(wrong);
  if (meant) return `“${wrong}” is more than an origin: write ${meant}`;
  return `“${wrong}” is no origin: write it like https://shop.example`;
}

/** The origin of an address, as browsers write it: the server compares it letter by letter. */
function originOf(text: string): string | undefined {
  try {
    const { origin, protocol, host } = new URL(text);
    if (origin !== "null") return origin;
    // The schemes of apps that show pages: browsers call their origin nothing, and send it none the less.
    return host ? `${protocol}//${host}` : undefined;
  } catch {
    return undefined;
  }
}

function lines(text: string): readonly string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** In millionths. */
function amount(text: string): bigint | undefined {
  return parsed(text.trim());
}

function amountFault(text: string): string | undefined {
  const written = text.trim();
  const micros = parsed(written);
  if (micros !== undefined) {
    if (micros < 0n) return "Enter an amount that is not below zero.";
    return micros > MOST ? "This is more than can be counted." : undefined;
  }
  if (!written) return "Enter an amount, such as 12.5.";
  if (/^\d+\.\d{7,}$/.test(written)) return "At most six digits can stand after the point.";
  if (/^[\d., ]+$/.test(written)) return "Write it with a point and without commas or spaces, such as 1234.5.";
  return "Enter a number, such as 12.5.";
}

function long(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text.trim()).length;
  return bytes > TEXT_BYTES ? `This is too long: it may have ${TEXT_BYTES} bytes, and has ${bytes}.` : undefined;
}

/** Without the fields that are right. */
function faults<Form>(all: { readonly [Field in keyof Form]?: string | undefined }): Faults<Form> {
  return Object.fromEntries(Object.entries(all).filter(([, fault]) => fault !== undefined)) as Faults<Form>;
}
