//! Who pays, and whether there is enough: the arithmetic of the ledger, apart from how it is stored.

use serde::{Deserialize, Serialize};

use crate::{Credits, KeyId, Price, Rate};

/// Whether a key can run out of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Funds {
    /// It uses what was added to its balance.
    Prepaid,
    /// It never runs out: its balance says what it owes.
    Unlimited,
}

/// A key as it is listed. Its secret is not in it, nor the secret's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Names it.
    pub id: KeyId,
    /// What whoever made it calls it.
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch, if it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// Whether it can run out.
    pub funds: Funds,
    /// The sum of its rows in the ledger.
    pub balance: Credits,
    /// How much of the balance is held for seconds in flight.
    pub held: Credits,
}

impl Key {
    /// Its account.
    pub fn account(&self) -> Account {
        Account {
            funds: self.funds,
            balance: self.balance,
            held: self.held,
            is_revoked: self.revoked_at.is_some(),
        }
    }
}

/// What a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether it can run out.
    pub funds: Funds,
    /// The sum of its rows in the ledger. May be below zero: see [`Account::charge`].
    pub balance: Credits,
    /// Of that, what is held for seconds in flight.
    pub held: Credits,
    /// Whether it was revoked. What is in flight is still charged to it.
    pub is_revoked: bool,
}

/// Why something is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key has less than it costs.
    #[error("the key has too few credits left")]
    InsufficientCredits,
    /// The key was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// The connection has ended.
    #[error("the connection has ended")]
    Ended,
    /// It is not the next second.
    #[error("second {asked} was asked for, and the next one is {next}")]
    OutOfOrder {
        /// The second that was asked for.
        asked: u64,
        /// The one that comes next.
        next: u64,
    },
    /// An amount would be beyond what can be counted.
    #[error("the amount is beyond what can be counted")]
    Overflow,
}

impl Account {
    /// Whether the key may begin a turn of that price: one that costs something needs something left.
    pub fn admit_turn(&self, price: &Price) -> Result<(), Refusal> {
        if self.is_revoked {
            return Err(Refusal::Revoked);
        }
        let has_some = || self.available().is_ok_and(|available| available > Credits::ZERO);
        match self.funds {
            Funds::Prepaid if price.charges_tokens() && !has_some() => Err(Refusal::InsufficientCredits),
            Funds::Prepaid | Funds::Unlimited => Ok(()),
        }
    }

    /// Takes an amount off the balance for something that was used already, whether or not the balance covers it.
    pub fn charge(&mut self, amount: Credits) -> Result<(), Refusal> {
        self.balance = self.balance.checked_sub(amount).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    /// Adds an amount to the balance; a negative one corrects it.
    pub fn credit(&mut self, amount: Credits) -> Result<(), Refusal> {
        self.balance = self.balance.checked_add(amount).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    /// Holds the price of a second, which is to begin.
    fn hold(&mut self, price: Rate) -> Result<(), Refusal> {
        if self.is_revoked {
            return Err(Refusal::Revoked);
        }
        match self.funds {
            Funds::Prepaid if price != Rate::FREE && self.available()? < price.credits() => {
                Err(Refusal::InsufficientCredits)
            }
            Funds::Prepaid | Funds::Unlimited => {
                self.held = self.held.checked_add(price.credits()).ok_or(Refusal::Overflow)?;
                Ok(())
            }
        }
    }

    fn release(&mut self, price: Rate) -> Result<(), Refusal> {
        self.held = self.held.checked_sub(price.credits()).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    /// The balance, if it can run out.
    fn left(&self) -> Option<Credits> {
        match self.funds {
            Funds::Prepaid => Some(self.balance),
            Funds::Unlimited => None,
        }
    }

    /// What is not held.
    fn available(&self) -> Result<Credits, Refusal> {
        self.balance.checked_sub(self.held).ok_or(Refusal::Overflow)
    }
}

/// The seconds of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// What each of them costs: the price when the connection was opened.
    pub per_second: Rate,
    /// How many are charged.
    pub seconds: u64,
    /// Whether the price of the next one is held.
    pub holds: bool,
    /// Whether the connection has ended.
    pub is_over: bool,
}

/// What became of a second that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The second, which is charged: now or before. Its tick may go out.
    pub n: u64,
    /// Whether it is charged now, so that there is a row to write.
    pub is_new: bool,
    /// Whether another one may begin.
    pub next: Next,
    /// The balance of the key, if it can run out.
    pub left: Option<Credits>,
}

/// Whether another second may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Its price is held.
    Held,
    /// The key has too few credits left: the connection ends, after the tick, with `insufficient_credits`.
    InsufficientCredits,
    /// The key was revoked: the connection ends after the tick.
    Revoked,
    /// The connection has ended already.
    Ended,
}

impl Running {
    /// A connection is opened: the price of its first second is held, or it is refused.
    pub fn open(account: &mut Account, per_second: Rate) -> Result<Self, Refusal> {
        account.hold(per_second)?;
        Ok(Self { per_second, seconds: 0, holds: true, is_over: false })
    }

    /// Second `n` has ended: it is charged, and the price of the next one is held if the key has enough.
    ///
    /// A second that is charged already is answered in the same way and changes nothing, whether or not the connection
    /// goes on, but for a hold that could not be had before. A second whose price is not held is charged if the key has
    /// enough now. If it is refused nothing is changed.
    pub fn grant(&mut self, account: &mut Account, n: u64) -> Result<Grant, Refusal> {
        if n > 0 && n <= self.seconds {
            let next = self.reach_next(account)?;
            return Ok(Grant { n, is_new: false, next, left: account.left() });
        }
        if self.is_over {
            return Err(Refusal::Ended);
        }
        let next = self.seconds.checked_add(1).ok_or(Refusal::Overflow)?;
        if n != next {
            return Err(Refusal::OutOfOrder { asked: n, next });
        }
        let (mut running, mut payer) = (*self, *account);
        if !running.holds {
            payer.hold(running.per_second)?;
        }
        payer.release(running.per_second)?;
        payer.charge(running.per_second.credits())?;
        running.holds = false;
        running.seconds = n;
        let next = running.reach_next(&mut payer)?;
        (*self, *account) = (running, payer);
        Ok(Grant { n, is_new: true, next, left: account.left() })
    }

    /// The connection ends, and its hold is released.
    pub fn end(&mut self, account: &mut Account) -> Result<(), Refusal> {
        if self.holds {
            account.release(self.per_second)?;
            self.holds = false;
        }
        self.is_over = true;
        Ok(())
    }

    /// What all its seconds cost.
    pub fn credits(&self) -> Option<Credits> {
        self.per_second.credits().checked_mul(self.seconds)
    }

    /// Holds the price of the next second, if that is not done yet.
    fn reach_next(&mut self, account: &mut Account) -> Result<Next, Refusal> {
        match (self.is_over, self.holds) {
            (true, _) => return Ok(Next::Ended),
            (false, true) => return Ok(Next::Held),
            (false, false) => {}
        }
        match account.hold(self.per_second) {
            Ok(()) => {
                self.holds = true;
                Ok(Next::Held)
            }
            Err(Refusal::InsufficientCredits) => Ok(Next::InsufficientCredits),
            Err(Refusal::Revoked) => Ok(Next::Revoked),
            Err(refusal @ (Refusal::Ended | Refusal::OutOfOrder { .. } | Refusal::Overflow)) => Err(refusal),
        }
    }
}
