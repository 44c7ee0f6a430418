//! What clients of realtime sessions send: frames of the signaling, offers, video and images.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use media::{Codec, Port, Role, Settings};
use realtime::{Advertised, Cause, FromPeer, Input, MediaEvent, Output, Session, Start, ToPeer};
use tokio::runtime::Runtime;
use video::{Decoder, Pool, Reference};
use wire::realtime::{ClientMessage, Malformed, MessageKind, ServerMessage};

/// The most frames, or packets, of one input.
const MOST: usize = 24;

/// What separates the packets of an input.
const BETWEEN: &[u8] = b"\xff\xfe\xfd\xfc";

/// Pictures beyond this take long, and show nothing more.
const MOST_PIXELS: u64 = 512 * 512;

/// Frames, one a line, to a session whose media always work. Each prompt and each image is acknowledged once, in order,
/// and whatever was said, the session can be ended.
pub(crate) fn signaling(data: &[u8]) {
    let now = Instant::now();
    let advertised = Advertised { ip: Ipv4Addr::LOCALHOST.into(), port: NonZeroU16::MIN };
    let start = Start { session_id: "s".to_owned(), advertised, resumed: None, max_duration: None };
    let mut session = Session::new(now, start, realtime::Options::default());
    let (mut wanted, mut answered) = (Vec::new(), Vec::new());
    drain(&mut session, now, &mut answered);
    for line in data.split(|byte| *byte == b'\n').take(MOST) {
        if session.is_over() {
            return;
        }
        let Ok(text) = std::str::from_utf8(line) else { continue };
        match ClientMessage::parse(text) {
            Ok(ClientMessage::Prompt(prompt)) => wanted.push(Some(prompt.prompt)),
            Ok(ClientMessage::SetImage(_)) => wanted.push(None),
            // One that cannot be read is acknowledged, too: not taken. Of a prompt there is no text to do that with.
            Err(Malformed { kind: Some(MessageKind::SetImage), .. }) => wanted.push(None),
            Ok(_) | Err(_) => {}
        }
        session.handle(now, Input::Peer(FromPeer::Text(text.to_owned())));
        drain(&mut session, now, &mut answered);
    }
    assert!(wanted.starts_with(&answered), "{wanted:?} was asked for, and {answered:?} acknowledged");
    session.handle(now, Input::End(Cause::Shutdown));
    drain(&mut session, now, &mut answered);
    session.handle(now, Input::Peer(FromPeer::Lost));
    drain(&mut session, now, &mut answered);
    session.handle(now + Duration::from_secs(60), Input::Time);
    drain(&mut session, now, &mut answered);
    assert!(session.is_over(), "the session does not end");
}

/// Performs what can be performed, and collects the acknowledgements: of a prompt its text, of an image nothing.
fn drain(session: &mut Session, now: Instant, answered: &mut Vec<Option<String>>) {
    while let Some(output) = session.poll() {
        match output {
            Output::Peer(ToPeer::Send(ServerMessage::PromptAck { prompt, .. })) => {
                answered.push(Some(prompt))
            }
            Output::Peer(ToPeer::Send(ServerMessage::SetImageAck { .. })) => answered.push(None),
            Output::Peer(ToPeer::Negotiate { pc, .. }) => {
                for event in
                    [MediaEvent::Answered("v=0".to_owned()), MediaEvent::Connected, MediaEvent::Frame]
                {
                    session.handle(now, Input::Peer(FromPeer::Media { pc, event }));
                }
            }
            Output::Peer(_) | Output::Apply(_) | Output::Grant { .. } | Output::Settle(_) => {}
        }
    }
}

/// An offer, to a real port: there is an answer that fits, or an error.
pub(crate) fn offers(data: &[u8]) {
    static RUNTIME: LazyLock<(Runtime, Port)> = LazyLock::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be had");
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let port = runtime.block_on(Port::bind(Settings { listen, ..Settings::default() }));
        (runtime, port.expect("a port can be had"))
    });
    let (role, offer) = match data.split_first() {
        Some((first, rest)) if first % 2 == 1 => (Role::Viewer { codec: Codec::Vp8 }, rest),
        _ => (Role::Producer, data),
    };
    let offer = String::from_utf8_lossy(offer);
    let (runtime, port) = &*RUNTIME;
    runtime.block_on(async {
        if let Ok(answer) = port.answer(&offer, role) {
            let lines = |sdp: &str| sdp.lines().filter(|line| line.starts_with("m=")).count();
            assert_eq!(lines(&offer), lines(&answer.sdp), "{offer}\nis answered by\n{}", answer.sdp);
            drop(answer);
            // Its task ends with it.
            tokio::task::yield_now().await;
        }
    });
}

/// The first byte says what follows: packets of VP8, of H.264, or an image.
pub(crate) fn pictures(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let codec = match first % 3 {
        0 => video::Codec::Vp8,
        1 => video::Codec::H264,
        _ => {
            // What is read is never larger than what is allowed; the rest is an error.
            let _ = Reference::read(rest.to_vec());
            return;
        }
    };
    let mut decoder = Decoder::new(codec, Pool::new());
    let mut rest = rest;
    for time in 0..MOST as u64 {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let (packet, after) = rest.split_at(end.unwrap_or(rest.len()));
        match decoder.decode(packet, time) {
            Ok(Some(frame)) => {
                assert_eq!(frame.timestamp(), time);
                let pixels = u64::from(frame.size().width()) * u64::from(frame.size().height());
                if pixels > MOST_PIXELS {
                    return;
                }
            }
            Ok(None) => {}
            Err(_) => assert!(decoder.needs_keyframe()),
        }
        match end {
            Some(_) => rest = &after[BETWEEN.len()..],
            None => return,
        }
    }
}
