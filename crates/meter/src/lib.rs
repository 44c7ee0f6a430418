//! The rules of usage: what a second and a token cost, who pays, and when a second counts. Pure: no clock, no disk, no
//! source of randomness of its own. The rows that these rules speak of are kept by `store`, in the same transactions as
//! everything else.
//!
//! # When a second starts, pauses and ends
//!
//! - The clock of a connection starts with its **first produced frame**. Nothing before it is counted.
//! - It runs from a produced frame to the next one, for at most [`ActiveTime::LONGEST_GAP`]: then it **pauses**, until
//!   the next produced frame. No frames, no billing.
//! - A second **ends** when the clock has counted a whole one. Only whole seconds are billed; what is left of one when
//!   the connection ends is nobody's.
//!
//! # How a second is granted
//!
//! - A second's price is **held** before the second begins: the first when the connection is opened, every other one in
//!   the transaction that charges the one before. A hold is taken only if all that the key has, less what is held for
//!   others, covers it: connections of one key never overdraw it together. Where it does not, no further second begins,
//!   and the connection ends with `insufficient_credits`.
//! - When a second has ended, its hold becomes a **row** in the ledger: one row for each (connection, n), and the balance
//!   is the sum of the rows. After that, and only after that, its tick goes out. Asking for the same second again
//!   changes nothing.
//! - When a connection ends, its hold is **released**. The second in flight is not charged.
//!
//! # After a crash
//!
//! Every connection that was open is closed with reason `interrupted` at the next start, and its hold released: the
//! second in flight was never ticked and is not charged. A crash between a row and its tick leaves one row more than
//! the client saw ticks; there is no way to have more than one, none to have fewer, and none to charge a second twice.
//!
//! # Turns
//!
//! A turn is charged step by step, when the provider has said what the step used, in the transaction that writes the
//! step's row. What a step will cost is not known before, so it may take a key's balance below zero, once: a key that
//! has nothing left begins no turn and no second.

mod account;
mod active;
mod credits;
mod day;
mod event;
mod id;
mod price;
mod receipt;
mod secret;
mod token;

pub use account::{Account, Funds, Grant, Key, Next, Refusal, Running};
pub use active::ActiveTime;
pub use credits::{Credits, InvalidCredits};
pub use day::{Day, InvalidDay};
pub use event::{Entry, Event};
pub use id::{ConnectionId, DepositId, KeyId, SessionId};
pub use price::{NegativeRate, Payer, Price, Rate};
pub use receipt::{Bill, ConnectionReceipt, DailyUsage, Receipt, Total};
pub use secret::{Kind, Secret, SecretHash};
pub use token::{ClientToken, Denied, InvalidLimit, Limits};
