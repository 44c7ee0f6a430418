// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.
//
// Surfaces: small panels of state and actions that a client renders as it likes.

/** What a surface is about. */
export type SurfaceScope =
  /** The same for every conversation. */
  | "global"
  /** One for each conversation. */
  | "conversation";

/** A surface in the catalog. */
export interface SurfaceCatalogEntry {
  /** Names the surface in subscriptions. */
  readonly id: string;
  /** Where it would like to be; an open set, of which `side` is used. */
  readonly region: string;
  /** For people. */
  readonly title: string;
  /** Absent means per conversation. */
  readonly scope?: SurfaceScope;
}

/** The whole content of a surface at one moment. */
export interface SurfaceSpec {
  /** Which surface. */
  readonly id: string;
  /** Where it would like to be. */
  readonly region: string;
  /** For people. */
  readonly title: string;
  /** Its fields, in order. */
  readonly fields: readonly SurfaceField[];
}

/** A field of a surface. A client skips kinds and renderers that it does not know. */
export type SurfaceField =
  | ToggleField
  | ProgressField
  | SelectorField
  | StatField
  | NumberField
  | ButtonField
  | CustomField;

/** On or off; `invoke` brings the new value. */
export interface ToggleField {
  readonly kind: "toggle";
  /** For people. */
  readonly label: string;
  /** As it is now. */
  readonly value: boolean;
  /** Changes it. */
  readonly action: ActionRef;
}

/** How far something is, from 0 to 1. */
export interface ProgressField {
  readonly kind: "progress";
  /** For people. */
  readonly label: string;
  /** From 0 to 1. */
  readonly value: number;
}

/** One of several; `invoke` brings the value of the chosen option. */
export interface SelectorField {
  readonly kind: "selector";
  /** For people. */
  readonly label: string;
  /** The value of the option chosen now. */
  readonly value: string;
  /** What there is to choose; values are unique. */
  readonly options: readonly SelectorOption[];
  /** Changes it. */
  readonly action: ActionRef;
}

/** Something to read. */
export interface StatField {
  readonly kind: "stat";
  /** For people. */
  readonly label: string;
  /** Ready to show. */
  readonly value: string;
}

/** A number; `invoke` brings the new value. */
export interface NumberField {
  readonly kind: "number";
  /** For people. */
  readonly label: string;
  /** As it is now. */
  readonly value: number;
  /** Changes it. */
  readonly action: ActionRef;
  /** The most allowed. */
  readonly max?: number;
  /** The least allowed. */
  readonly min?: number;
  /** The distance between allowed values. */
  readonly step?: number;
  /** What the number counts. */
  readonly unit?: string;
}

/** Something to press; `invoke` brings nothing. */
export interface ButtonField {
  readonly kind: "button";
  /** For people. */
  readonly label: string;
  /** What it does. */
  readonly action: ActionRef;
}

/** Anything else, for a client that knows the renderer. */
export interface CustomField {
  readonly kind: "custom";
  /** Says what the payload is. */
  readonly rendererId: string;
  /** The content. */
  readonly payload: unknown;
}

/** One choice of a selector. */
export interface SelectorOption {
  /** Goes into `invoke`. */
  readonly value: string;
  /** For people. */
  readonly label: string;
}

/** What a client invokes. */
export interface ActionRef {
  /** Goes into `invoke`. */
  readonly actionId: string;
}
