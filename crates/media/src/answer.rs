//! The str0m machine that answers an offer.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::net::TcpType;
use str0m::{Candidate, Rtc, RtcConfig};

use crate::offer::{Offer, OfferError};
use crate::settings::{Bitrates, Codec};

/// How often the statistics are told.
const STATISTICS: Duration = Duration::from_secs(1);
/// The longest time between two checks of a connection. A silent peer answers at least these.
const CHECK: Duration = Duration::from_secs(1);
/// How many packets are held back while one is missing: more than the largest keyframe has. In fact the wait ends with
/// the retransmissions.
const REORDER: usize = 512;
/// How long sound waits for a missing packet.
const REORDER_AUDIO: Duration = Duration::from_millis(80);
/// How many packets of video are kept to be sent again, and how long.
const RESEND_PACKETS: usize = 1024;
const RESEND_AGE: Duration = Duration::from_secs(3);
/// The part of all bytes that may be sent again. A client on a jittery path asks for much that is only late; with a
/// small share its real losses would not be mended.
const RESEND_SHARE: f32 = 0.5;

/// Where clients can send to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) udp: Vec<SocketAddr>,
    /// Known when somebody listens there: see [`Port::announce_tcp`](crate::Port::announce_tcp).
    pub(crate) tcp: OnceLock<Vec<SocketAddr>>,
}

impl Advertised {
    pub(crate) fn tcp(&self) -> &[SocketAddr] {
        self.tcp.get().map_or(&[], Vec::as_slice)
    }
}

/// A machine that has answered.
pub(crate) struct Answered {
    pub(crate) rtc: Rtc,
    pub(crate) sdp: String,
    /// The user name by which the client's checks can be told from those of others.
    pub(crate) ufrag: String,
}

/// Answers an offer.
pub(crate) fn answer(
    offer: &Offer,
    certificate: Option<DtlsCert>,
    advertised: &Advertised,
    bitrates: Bitrates,
    now: Instant,
) -> Result<Answered, OfferError> {
    let unusable = |error: &dyn std::fmt::Display| OfferError::Malformed(error.to_string());
    let mut rtc = configured(offer, certificate, bitrates).build(now);
    for candidate in candidates(advertised) {
        rtc.add_local_candidate(candidate);
    }
    let read = SdpOffer::from_sdp_string(&offer.text).map_err(|error| unusable(&error))?;
    let answer = rtc.sdp_api().accept_offer(read).map_err(|error| unusable(&error))?;
    let sdp = offer.complete(&answer.to_sdp_string())?;
    if let Some(stream) = rtc.direct_api().stream_tx_by_mid(offer.video.as_str().into(), None) {
        stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, Some(RESEND_SHARE));
    }
    let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
    if offer.has_feedback {
        let most = Bitrate::from(u64::from(bitrates.max));
        rtc.bwe().set_bitrate(Bitrate::ZERO, most);
    }
    Ok(Answered { rtc, sdp, ufrag })
}

fn configured(offer: &Offer, certificate: Option<DtlsCert>, bitrates: Bitrates) -> RtcConfig {
    let mut config = RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, false)
        .set_stats_interval(Some(STATISTICS))
        .set_reordering_size_video(REORDER)
        .set_reordering_timeout_audio(Some(REORDER_AUDIO));
    match offer.codec {
        Codec::Vp8 => config = config.enable_vp8(true),
        Codec::H264 => {
            // The payload types are only placeholders: the offer's take their place.
            let codecs = config.codec_config();
            codecs.add_h264(127.into(), Some(121.into()), true, 0x42_e0_1f);
            codecs.add_h264(125.into(), Some(107.into()), true, 0x42_00_1f);
        }
    }
    if offer.has_feedback {
        // Without reports the estimate would never leave its start, and the pacer with it.
        config = config.enable_bwe(Some(Bitrate::from(u64::from(bitrates.start.min(bitrates.max)))));
    }
    if let Some(certificate) = certificate {
        config = config.set_dtls_cert(certificate);
    }
    config.set_max_stun_rto(CHECK);
    config
}

fn candidates(advertised: &Advertised) -> impl Iterator<Item = Candidate> {
    let udp = advertised.udp.iter().map(|&address| Candidate::host(address, "udp"));
    let tcp = advertised
        .tcp()
        .iter()
        .map(|&address| Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build());
    udp.chain(tcp).filter_map(Result::ok)
}
