// When two types are the same, and proof that this file can tell.

type IsAny<T> = 0 extends 1 & T ? true : false;
type IsNever<T> = [T] extends [never] ? true : false;

/** Equal for the compiler down to each field's being optional and readonly, and `any` equal only to itself. */
type Identical<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `true`, or what sets the two types apart. */
export type Same<Ours, Theirs> =
  IsAny<Ours> extends true ? "ours is any"
  : IsAny<Theirs> extends true ? "theirs is any"
  : IsNever<Ours> extends true ? "ours is never"
  : IsNever<Theirs> extends true ? "theirs is never"
  : [Ours] extends [Theirs] ?
    [Theirs] extends [Ours] ?
      Identical<Ours, Theirs> extends true ? true : "a field differs in being optional, readonly or any"
    : "theirs cannot be assigned to ours"
  : "ours cannot be assigned to theirs";

/** Compiles only for `true`. */
export type Expect<T extends true> = T;

interface Plain {
  readonly id: string;
  readonly tags: readonly string[];
  readonly note?: string;
}

/** What the comparison accepts. */
export type Accepted = [
  Expect<Same<Plain, { readonly note?: string; readonly tags: readonly string[]; readonly id: string }>>,
  Expect<Same<"a" | "b", "b" | "a">>,
  Expect<Same<unknown, unknown>>,
];

/** What it refuses: without an error on the next line, the compiler complains about the comment. */
export type Refused = [
  // @ts-expect-error
  Expect<Same<any, Plain>>,
  // @ts-expect-error
  Expect<Same<Plain, any>>,
  // @ts-expect-error
  Expect<Same<any, any>>,
  // @ts-expect-error
  Expect<Same<never, Plain>>,
  // @ts-expect-error
  Expect<Same<Plain, never>>,
  // @ts-expect-error
  Expect<Same<never, never>>,
  // @ts-expect-error
  Expect<Same<Plain, unknown>>,
  // @ts-expect-error a field is any
  Expect<Same<Plain, { readonly id: any; readonly tags: readonly string[]; readonly note?: string }>>,
  // @ts-expect-error a field is unknown
  Expect<Same<Plain, { readonly id: unknown; readonly tags: readonly string[]; readonly note?: string }>>,
  // @ts-expect-error a field is missing
  Expect<Same<Plain, { readonly id: string; readonly tags: readonly string[] }>>,
  // @ts-expect-error an optional field more
  Expect<Same<Plain, Plain & { readonly more?: string }>>,
  // @ts-expect-error an optional field is required
  Expect<Same<Plain, { readonly id: string; readonly tags: readonly string[]; readonly note: string }>>,
  // @ts-expect-error an optional field may be undefined
  Expect<Same<Plain, { readonly id: string; readonly tags: readonly string[]; readonly note?: string | undefined }>>,
  // @ts-expect-error a required field is optional
  Expect<Same<Plain, { readonly id?: string; readonly tags: readonly string[]; readonly note?: string }>>,
  // @ts-expect-error a field can be written
  Expect<Same<Plain, { id: string; readonly tags: readonly string[]; readonly note?: string }>>,
  // @ts-expect-error an array can be written
  Expect<Same<Plain, { readonly id: string; readonly tags: string[]; readonly note?: string }>>,
  // @ts-expect-error a member of the union is missing
  Expect<Same<"a" | "b", "a">>,
  // @ts-expect-error a brand is no plain string
  Expect<Same<string & { readonly __brand: "A" }, string>>,
  // @ts-expect-error nor another brand
  Expect<Same<string & { readonly __brand: "A" }, string & { readonly __brand: "B" }>>,
];
