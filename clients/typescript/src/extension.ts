// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.
//
// What goes beyond the contract: only clients that ask for it meet it.

/** Events of ours on a conversation's stream. Neither stored nor replayed. */
export type ExtensionEvent =
  | ProviderRetryEvent;

/** A provider call failed before its first content and will be tried again. */
export interface ProviderRetryEvent {
  readonly type: "provider-retry";
  /** The conversation. */
  readonly conversationId: string;
  /** The turn. */
  readonly turnId: string;
  /** Which retry this is, from 1. */
  readonly attempt: number;
  /** Milliseconds until it starts. */
  readonly delayMs: number;
  /** What failed. */
  readonly message: string;
  /** A stable code, or the HTTP status of the provider as a string. */
  readonly code?: string;
}
