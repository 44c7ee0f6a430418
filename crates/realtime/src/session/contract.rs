//! What goes into a session and what comes out of it.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use meter::Credits;
use wire::realtime::{EndReason, ErrorType};

use crate::look::Look;
use crate::peer::{Close, FromPeer, Limits, ToPeer};
use crate::text;

/// What a session is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The id on the wire: new for every connection, of `[A-Za-z0-9-]`, not empty.
    pub session_id: String,
    /// Where clients are told that the media come from.
    pub advertised: Advertised,
    /// The prompt and image of an earlier connection, if the query named one (`session=…`) that the same key opened.
    pub resumed: Option<Look>,
    /// How long the connection may last, from its opening.
    pub max_duration: Option<Duration>,
}

/// An address that clients carry along in tokens for viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The address.
    pub ip: IpAddr,
    /// Clients take 0 for none.
    pub port: NonZeroU16,
}

/// The limits of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the client may take.
    pub limits: Limits,
    /// How long the ledger may take.
    pub ledger: Duration,
    /// How long a live session may make no frame, as when its client sends none. Such a session costs its client nothing
    /// and takes the place of one that would be used.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), ledger: Duration::from_secs(5), idle: Duration::from_secs(60) }
    }
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Something came from the client.
    Peer(FromPeer),
    /// The answer to [`Output::Grant`].
    Credit {
        /// As in the output.
        n: u64,
        /// The answer.
        answer: Credit,
    },
    /// Somebody else than the client ends the session.
    End(Cause),
    /// Time has passed.
    Time,
}

/// What the ledger says about a second that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credit {
    /// It is charged, and the price of the next one is held.
    Granted {
        /// The balance of the key, if it can run out.
        left: Option<Credits>,
    },
    /// It is charged, and there will be no next one.
    Last {
        /// Why not.
        denial: Denial,
        /// As for a second that is granted.
        left: Option<Credits>,
    },
    /// It is not charged, and there will be no next one.
    Refused(Denial),
}

/// Why there is no other second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The key has too few credits left.
    InsufficientCredits,
    /// The key was revoked.
    Revoked,
    /// The ledger failed. The text is for the client.
    Failed(String),
}

impl From<Result<meter::Grant, meter::Refusal>> for Credit {
    fn from(answer: Result<meter::Grant, meter::Refusal>) -> Self {
        match answer {
            Ok(meter::Grant { next, left, n: _, is_new: _ }) => {
                let last = |denial| Self::Last { denial, left };
                match next {
                    meter::Next::Held => Self::Granted { left },
                    meter::Next::InsufficientCredits => last(Denial::InsufficientCredits),
                    meter::Next::Revoked => last(Denial::Revoked),
                    meter::Next::Ended => last(Denial::Failed(meter::Refusal::Ended.to_string())),
                }
            }
            Err(meter::Refusal::InsufficientCredits) => Self::Refused(Denial::InsufficientCredits),
            Err(meter::Refusal::Revoked) => Self::Refused(Denial::Revoked),
            Err(
                refusal @ (meter::Refusal::Ended
                | meter::Refusal::OutOfOrder { .. }
                | meter::Refusal::Overflow),
            ) => Self::Refused(Denial::Failed(refusal.to_string())),
        }
    }
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Something towards the client.
    Peer(ToPeer),
    /// From now on that is what the generator is to do. Kept under the session's id, it can be resumed.
    Apply(Look),
    /// Second `n` of the connection was delivered: charge it, hold the price of the next one, and answer. Asked for
    /// n = 1, 2, 3 …, never for two at a time; the price of the first second is held since the admission.
    Grant {
        /// The second.
        n: u64,
    },
    /// The session is over for billing: release what is held, forget the place that it took, and tell its viewers.
    Settle(Receipt),
}

impl From<ToPeer> for Output {
    fn from(output: ToPeer) -> Self {
        Self::Peer(output)
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The seconds that the ledger said are charged. If it was silent to the last, it may know of one more.
    pub seconds: u64,
    /// Why.
    pub reason: EndReason,
}

/// Where a session is. One that is refused never begins: see [`crate::admit()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There was no offer yet.
    Open,
    /// There was an offer, and media do not flow.
    Negotiating,
    /// Media flow, and seconds count.
    Live,
    /// Nothing is generated any more; the last second is settled, or the client's close frame awaited.
    Ending,
    /// It is over.
    Gone,
}

/// What ends a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The client left.
    Left,
    /// The client is not heard any more.
    Silent,
    /// The client never made an offer.
    NoOffer,
    /// No frame went out in time after an offer.
    NoMedia,
    /// The session was live, and no frame went out for too long.
    Idle,
    /// The session lasted as long as it may.
    MaxDuration,
    /// There is no other second.
    Denied(Denial),
    /// The ledger did not answer.
    LedgerSilent,
    /// The offer can never be served. The text is for the client.
    OfferRefused(String),
    /// The client asked for a transport that is not spoken here.
    Livekit,
    /// The generator, or the media on the server's side, failed. The text is for the client.
    Failed(String),
    /// Content was not permitted.
    Moderation,
    /// The operator of the server ended it.
    Deleted,
    /// The server stops.
    Shutdown,
}

impl Cause {
    /// As it is in `generation_ended` and in receipts.
    pub fn reason(&self) -> EndReason {
        match self {
            Self::Left | Self::Silent => EndReason::Disconnect,
            Self::NoOffer | Self::NoMedia | Self::Idle | Self::MaxDuration => EndReason::Timeout,
            Self::Denied(Denial::InsufficientCredits) => EndReason::InsufficientCredits,
            Self::Denied(Denial::Revoked | Denial::Failed(_))
            | Self::LedgerSilent
            | Self::OfferRefused(_)
            | Self::Livekit
            | Self::Failed(_)
            | Self::Shutdown => EndReason::Error,
            Self::Moderation => EndReason::ModerationViolation,
            Self::Deleted => EndReason::DeletedByOperator,
        }
    }

    /// What the client is told; nothing if it is the client that left.
    pub(crate) fn error(&self) -> Option<(String, ErrorType)> {
        let (text, kind) = match self {
            Self::Left | Self::Silent => return None,
            Self::NoOffer => (text::NO_OFFER.to_owned(), ErrorType::UpstreamTimeout),
            Self::NoMedia => (text::NO_MEDIA.to_owned(), ErrorType::UpstreamTimeout),
            Self::Idle => (text::IDLE.to_owned(), ErrorType::UpstreamTimeout),
            Self::MaxDuration => (text::DURATION_REACHED.to_owned(), ErrorType::SessionDurationLimit),
            Self::Denied(Denial::InsufficientCredits) => {
                (text::CREDITS_GONE.to_owned(), ErrorType::InsufficientCredits)
            }
            Self::Denied(Denial::Revoked) => (text::KEY_REVOKED.to_owned(), ErrorType::InvalidApiKey),
            Self::Denied(Denial::Failed(why)) => (text::ledger_failed(why), ErrorType::InternalError),
            Self::LedgerSilent => (text::LEDGER_SILENT.to_owned(), ErrorType::InternalError),
            Self::OfferRefused(why) => (text::offer_refused(why), ErrorType::UpstreamRejected),
            Self::Livekit => (text::LIVEKIT.to_owned(), ErrorType::TransportNotSupported),
            Self::Failed(why) => (text::generation_failed(why), ErrorType::ModelServerDisconnected),
            Self::Moderation => (text::MODERATION.to_owned(), ErrorType::ModerationViolation),
            Self::Deleted => (text::DELETED.to_owned(), ErrorType::SessionDeleted),
            Self::Shutdown => (text::SHUTDOWN.to_owned(), ErrorType::ServerShutdown),
        };
        Some((text, kind))
    }

    pub(crate) fn close(&self) -> Close {
        let code = match self {
            Self::Left | Self::Silent => Close::NORMAL,
            Self::NoOffer
            | Self::NoMedia
            | Self::Idle
            | Self::MaxDuration
            | Self::Denied(Denial::InsufficientCredits | Denial::Revoked)
            | Self::OfferRefused(_)
            | Self::Livekit
            | Self::Moderation
            | Self::Deleted => Close::POLICY,
            Self::Denied(Denial::Failed(_)) | Self::LedgerSilent | Self::Failed(_) => Close::FAILED,
            Self::Shutdown => Close::GOING_AWAY,
        };
        Close { code, reason: self.reason().as_str() }
    }
}
