// Generated from the types of crates/wire by `cargo xtask generate`. Do not edit.

export type * from "./wire.js";
export type * from "./surface.js";
export type * from "./transport.js";
export type * from "./extensions.js";
