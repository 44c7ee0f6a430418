//! Reading an offer: which of its m-lines are served, with which codec, and what str0m is given of it.
//!
//! A client's SDP is cut down to what is of use before str0m sees it: the m-lines that are served, of these the known
//! attributes, of the candidates those that can be sent to. So simulcast, data channels and what else a client offers
//! need not be undone afterwards, and there is less for a hostile one to play with. The m-lines that were left out come
//! back as refused ones in the answer, which has to have as many as the offer, in its order.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::candidate;
use crate::settings::Codec;

/// The most bytes of an offer: real ones have two to ten thousand.
const LONGEST: usize = 128 * 1024;
/// The most m-lines.
const MOST_LINES: usize = 16;
/// The most formats of an m-line. There are 128 payload types, and some are listed for nothing.
const MOST_FORMATS: usize = 128;
/// The most bytes of a mid: a header extension with more would not fit.
const LONGEST_MID: usize = 16;

/// The name of the one stream in which all outgoing media are, so that a browser puts them into one element.
const STREAM: &str = "dispatch";

/// What a client wants of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sends video, or at least wants to see the produced one, as an avatar's client does.
    Producer,
    /// It watches what is produced for somebody else.
    Viewer {
        /// The codec in which that is encoded.
        codec: Codec,
    },
}

/// Why an offer cannot be answered. The text may be shown to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It is not SDP, or lacks what every WebRTC offer has.
    #[error("the offer cannot be read: {0}")]
    Malformed(String),
    /// There is no m-line of video in a direction that makes sense for the role.
    #[error("the offer has no video that could be {}", match .0 { Role::Producer => "used", Role::Viewer { .. } => "received" })]
    NoVideo(Role),
    /// There is video, but not in a codec that can be used.
    #[error("the offer has no usable video codec: it has {}, and {} is needed", list(.offered), list(.needed))]
    NoCodec {
        /// The offer's, as it names them.
        offered: Vec<String>,
        /// Those that would do.
        needed: Vec<String>,
    },
    /// The port is closed.
    #[error("the server takes no more connections")]
    Closed,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn malformed(what: impl Into<String>) -> OfferError {
    OfferError::Malformed(what.into())
}

/// An offer that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What str0m is given.
    pub(crate) text: String,
    /// The codec of the video.
    pub(crate) codec: Codec,
    /// The mid of the video.
    pub(crate) video: String,
    /// The mid of the sound that is passed through.
    pub(crate) audio: Option<String>,
    /// Whether the client reports on every packet it gets, so that its bandwidth can be estimated.
    pub(crate) has_feedback: bool,
    /// For every m-line of the offer, how the answer has it.
    lines: Vec<Line>,
}

/// An m-line in the answer.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// The next one of those that str0m answers.
    Served,
    /// This text.
    Refused(String),
}

impl Offer {
    /// Reads an offer.
    pub(crate) fn read(
        sdp: &str,
        role: Role,
        codecs: &[Codec],
        with_audio: bool,
    ) -> Result<Self, OfferError> {
        let parsed = Parsed::read(sdp)?;
        let (video, codec) = parsed.video(role, codecs)?;
        let audio = parsed.audio(video);
        // Sound goes through only if both directions agree on that it may.
        let audio_direction = audio.map(|index| {
            let offered = parsed.media[index].direction;
            if with_audio { offered.and_then(|offered| offered.within(role)) } else { None }
        });
        let served = |index: usize| index == video || audio == Some(index);

        let mids: Vec<&str> = (0..parsed.media.len())
            .filter(|&index| served(index))
            .map(|index| parsed.media[index].mid)
            .collect();
        let mut text = parsed.session(&mids);
        let mut lines = Vec::with_capacity(parsed.media.len());
        for (index, media) in parsed.media.iter().enumerate() {
            let direction = if index == video {
                media.direction.and_then(|offered| offered.within(role))
            } else {
                audio_direction.flatten()
            };
            if served(index) {
                media.write(direction, &mut text);
                lines.push(Line::Served);
            } else {
                lines.push(Line::Refused(media.refused()));
            }
        }
        Ok(Self {
            text,
            codec,
            video: parsed.media[video].mid.to_owned(),
            audio: audio
                .filter(|_| audio_direction.flatten().is_some())
                .map(|index| parsed.media[index].mid.to_owned()),
            has_feedback: parsed.media[video].has_feedback(),
            lines,
        })
    }

    /// The answer for the client, from str0m's to [`text`](Self::text).
    pub(crate) fn complete(&self, answer: &str) -> Result<String, OfferError> {
        let mut starts: Vec<usize> = answer.match_indices("\nm=").map(|(at, _)| at + 1).collect();
        starts.push(answer.len());
        let mut served = starts.windows(2).map(|pair| &answer[pair[0]..pair[1]]);
        let mut whole = answer[..starts[0]].to_owned();
        for line in &self.lines {
            match line {
                Line::Served => {
                    whole.push_str(served.next().ok_or_else(|| malformed("its m-lines cannot be answered"))?)
                }
                Line::Refused(text) => whole.push_str(text),
            }
        }
        Ok(whole)
    }
}

/// Which way media go, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
}

impl Direction {
    /// The part of it that the role allows: to a viewer is only sent.
    fn within(self, role: Role) -> Option<Self> {
        match (role, self) {
            (Role::Producer, any) => Some(any),
            (Role::Viewer { .. }, Self::SendRecv | Self::RecvOnly) => Some(Self::RecvOnly),
            (Role::Viewer { .. }, Self::SendOnly) => None,
        }
    }
}

/// The lines of an offer.
struct Parsed<'a> {
    session: Vec<&'a str>,
    bundle: Vec<&'a str>,
    media: Vec<Media<'a>>,
}

/// An m-line with what follows it.
struct Media<'a> {
    kind: &'a str,
    proto: &'a str,
    formats: Vec<&'a str>,
    mid: &'a str,
    /// `None` if it is inactive or rejected.
    direction: Option<Direction>,
    attributes: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    fn read(sdp: &'a str) -> Result<Self, OfferError> {
        if sdp.len() > LONGEST {
            return Err(malformed(format!("it has more than {LONGEST} bytes")));
        }
        let mut lines = sdp
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .filter(|line| !line.is_empty());
        if lines.next() != Some("v=0") {
            return Err(malformed("it does not begin with v=0"));
        }
        if sdp.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
            return Err(malformed("it contains control characters"));
        }
        let mut session = Vec::new();
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in lines {
            if let Some(m_line) = line.strip_prefix("m=") {
                sections.push((m_line, Vec::new()));
            } else if let Some(attribute) = line.strip_prefix("a=") {
                match sections.last_mut() {
                    Some((_, attributes)) => attributes.push(attribute),
                    None => session.push(attribute),
                }
            } else if line.as_bytes().get(1) != Some(&b'=') {
                return Err(malformed(format!("the line {:?} is not of SDP", shortened(line))));
            }
        }
        if sections.len() > MOST_LINES {
            return Err(malformed(format!("it has more than {MOST_LINES} m-lines")));
        }
        let bundle: Vec<&str> = session
            .iter()
            .find_map(|attribute| attribute.strip_prefix("group:BUNDLE"))
            .map(|mids| mids.split_ascii_whitespace().collect())
            .unwrap_or_default();
        let usual = session.iter().find_map(|attribute| direction(attribute)).flatten();
        let mut media: Vec<Media<'a>> = Vec::with_capacity(sections.len());
        for (m_line, attributes) in sections {
            let read = Media::read(m_line, attributes, usual)?;
            if media.iter().any(|before| before.mid == read.mid) {
                return Err(malformed(format!("two m-lines have the mid {:?}", read.mid)));
            }
            media.push(read);
        }
        let parsed = Self { session, bundle, media };
        for (attribute, name) in
            [("ice-ufrag:", "ICE user name"), ("ice-pwd:", "ICE password"), ("fingerprint:", "fingerprint")]
        {
            if !parsed.all_attributes().any(|line| starts_with(line, attribute)) {
                return Err(malformed(format!("it has no {name}")));
            }
        }
        if !parsed.all_attributes().any(is_sha256) {
            return Err(malformed("it has no fingerprint with SHA-256"));
        }
        Ok(parsed)
    }

    fn all_attributes(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.session.iter().chain(self.media.iter().flat_map(|media| &media.attributes)).copied()
    }

    /// The video to serve, and its codec.
    fn video(&self, role: Role, codecs: &[Codec]) -> Result<(usize, Codec), OfferError> {
        let needed: Vec<Codec> = match role {
            Role::Producer => codecs.to_vec(),
            Role::Viewer { codec } => vec![codec],
        };
        let mut offered = Vec::new();
        let mut any = false;
        for (index, media) in self.media.iter().enumerate() {
            let is_of_use = media.direction.and_then(|offered| offered.within(role)).is_some();
            if media.kind != "video" || !is_of_use {
                continue;
            }
            any = true;
            let formats = media.video_formats();
            if let Some(codec) = formats.iter().find_map(|format| format.codec.filter(|c| needed.contains(c)))
            {
                return Ok((index, codec));
            }
            for format in formats {
                if !offered.contains(&format.name) && offered.len() < 16 {
                    offered.push(format.name);
                }
            }
        }
        if any {
            Err(OfferError::NoCodec { offered, needed: needed.iter().map(Codec::to_string).collect() })
        } else {
            Err(OfferError::NoVideo(role))
        }
    }

    /// The first m-line with Opus that shares the video's transport.
    fn audio(&self, video: usize) -> Option<usize> {
        let is_bundled = |media: &Media<'_>| self.bundle.contains(&media.mid);
        self.media.iter().position(|media| {
            media.kind == "audio"
                && media.has_opus()
                && !media.is_rejected()
                && is_bundled(media)
                && is_bundled(&self.media[video])
        })
    }

    /// The session part, for the m-lines with these mids.
    fn session(&self, mids: &[&str]) -> String {
        let mut text = String::with_capacity(4096);
        text.push_str("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        let _ = write!(text, "a=group:BUNDLE {}\r\n", mids.join(" "));
        let kept = ["ice-ufrag:", "ice-pwd:", "ice-options:", "ice-lite", "setup:", "extmap-allow-mixed"];
        for attribute in &self.session {
            if kept.iter().any(|name| starts_with(attribute, name)) || is_sha256(attribute) {
                let _ = write!(text, "a={attribute}\r\n");
            }
        }
        text
    }
}

/// A format of a video m-line.
struct Format {
    name: String,
    codec: Option<Codec>,
}

impl<'a> Media<'a> {
    fn read(m_line: &'a str, attributes: Vec<&'a str>, usual: Option<Direction>) -> Result<Self, OfferError> {
        let mut parts = m_line.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(proto)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed(format!("the line {:?} lacks fields", shortened(m_line))));
        };
        let formats: Vec<&str> = parts.collect();
        if formats.is_empty() || formats.len() > MOST_FORMATS {
            return Err(malformed(format!("an m-line has {} formats", formats.len())));
        }
        let mid = attributes
            .iter()
            .find_map(|attribute| attribute.strip_prefix("mid:"))
            .map(str::trim)
            .ok_or_else(|| malformed("an m-line has no mid"))?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!#$%&'*^`{|}~".contains(&byte);
        if mid.is_empty() || mid.len() > LONGEST_MID || !mid.bytes().all(is_token) {
            return Err(malformed(format!("the mid {:?} is not a short token", shortened(mid))));
        }
        let port: u16 = port
            .split('/')
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| malformed(format!("{:?} is not a port", shortened(port))))?;
        let is_rejected = port == 0 && !attributes.contains(&"bundle-only");
        let stated = attributes.iter().find_map(|attribute| direction(attribute));
        let direction = match stated {
            _ if is_rejected => None,
            Some(stated) => stated,
            // Sending and receiving is what SDP means when it says nothing.
            None => usual.or(Some(Direction::SendRecv)),
        };
        Ok(Self { kind, proto, formats, mid, direction, attributes })
    }

    fn is_rejected(&self) -> bool {
        self.direction.is_none() && !self.attributes.contains(&"inactive")
    }

    /// `name/clock` of each payload type.
    fn names(&self) -> HashMap<&'a str, &'a str> {
        self.attributes
            .iter()
            .filter_map(|attribute| attribute.strip_prefix("rtpmap:")?.split_once(' '))
            .map(|(format, name)| (format, name.trim()))
            .collect()
    }

    /// The formats in the client's order, retransmission and error correction left out.
    fn video_formats(&self) -> Vec<Format> {
        let names = self.names();
        let parameters: HashMap<&str, &str> = self
            .attributes
            .iter()
            .filter_map(|attribute| attribute.strip_prefix("fmtp:")?.split_once(' '))
            .collect();
        let mut formats = Vec::new();
        for format in &self.formats {
            let Some(name) = names.get(format) else { continue };
            let (name, clock) = name.split_once('/').unwrap_or((name, ""));
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if ["rtx", "red", "ulpfec", "flexfec-03"].into_iter().any(is) {
                continue;
            }
            let codec = if clock != "90000" {
                None
            } else if is("VP8") {
                Some(Codec::Vp8)
            } else if is("H264") && is_baseline(parameters.get(format).copied().unwrap_or_default()) {
                Some(Codec::H264)
            } else {
                None
            };
            formats.push(Format { name: shortened(name).to_owned(), codec });
        }
        formats
    }

    fn has_opus(&self) -> bool {
        self.names().iter().any(|(format, name)| {
            self.formats.contains(format)
                && name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("opus/48000"))
        })
    }

    fn has_feedback(&self) -> bool {
        let reports = self
            .attributes
            .iter()
            .any(|attribute| attribute.starts_with("rtcp-fb:") && attribute.ends_with(" transport-cc"));
        let numbers = self.attributes.iter().any(|attribute| {
            attribute.starts_with("extmap:") && attribute.contains("transport-wide-cc-extensions-01")
        });
        reports && numbers
    }

    /// Writes the m-line as str0m is to see it.
    fn write(&self, direction: Option<Direction>, text: &mut String) {
        let _ = write!(text, "m={} 9 {} {}\r\n", self.kind, self.proto, self.formats.join(" "));
        text.push_str("c=IN IP4 0.0.0.0\r\n");
        let kept = [
            "mid:",
            "rtpmap:",
            "fmtp:",
            "rtcp-fb:",
            "extmap:",
            "ssrc:",
            "ssrc-group:",
            "ice-ufrag:",
            "ice-pwd:",
            "ice-options:",
            "setup:",
            "rtcp-mux",
        ];
        let mut candidates = 0;
        for attribute in &self.attributes {
            // A layer of simulcast would be a stream of its own, and several are not wanted.
            let is_of_layers =
                attribute.contains("sdes:rtp-stream-id") || attribute.contains("sdes:repaired");
            let is_kept = if attribute.starts_with("candidate:") {
                candidates += 1;
                candidates <= candidate::MOST && candidate::parse(attribute).is_some()
            } else {
                (kept.iter().any(|name| starts_with(attribute, name)) && !is_of_layers)
                    || is_sha256(attribute)
            };
            if is_kept {
                let _ = write!(text, "a={attribute}\r\n");
            }
        }
        // str0m answers with the msid of the offer.
        let _ = write!(text, "a=msid:{STREAM} {}\r\n", self.kind);
        text.push_str(match direction {
            Some(Direction::SendRecv) => "a=sendrecv\r\n",
            Some(Direction::SendOnly) => "a=sendonly\r\n",
            Some(Direction::RecvOnly) => "a=recvonly\r\n",
            None => "a=inactive\r\n",
        });
    }

    /// The m-line of the answer by which this one is refused.
    fn refused(&self) -> String {
        format!(
            "m={} 0 {} {}\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\na=inactive\r\n",
            self.kind,
            self.proto,
            self.formats.join(" "),
            self.mid
        )
    }
}

/// `Some(None)` for inactive, `None` for what is no direction.
fn direction(attribute: &str) -> Option<Option<Direction>> {
    match attribute.trim_end() {
        "sendrecv" => Some(Some(Direction::SendRecv)),
        "sendonly" => Some(Some(Direction::SendOnly)),
        "recvonly" => Some(Some(Direction::RecvOnly)),
        "inactive" => Some(None),
        _ => None,
    }
}

/// Whether H.264 with these parameters is what an encoder and decoder of baseline can do, in the packets that are sent.
fn is_baseline(parameters: &str) -> bool {
    let value = |name: &str| {
        parameters.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    value("packetization-mode") == Some("1")
        && value("profile-level-id").is_some_and(|profile| profile.get(..2) == Some("42"))
}

fn is_sha256(attribute: &str) -> bool {
    starts_with(attribute, "fingerprint:sha-256 ")
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// At most forty characters of a client's text, for an error.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(at, _)| &text[..at])
}
