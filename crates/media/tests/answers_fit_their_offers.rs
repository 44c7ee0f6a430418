//! Offers as browsers and aiortc send them get answers that those understand.

use media::{Answer, Codec, OfferError, Port, Role, Settings};

use crate::support::offers::{AIORTC, CHROMIUM, CHROMIUM_VIEWER, FIREFOX, sdp};
use crate::support::{local, port};

/// An m-line of an answer: what a client goes by.
#[derive(Debug, PartialEq)]
struct Line {
    m: String,
    mid: String,
    direction: String,
    msid: Option<String>,
    codecs: Vec<String>,
    candidates: usize,
    /// ICE user name, password, fingerprint, setup and rtcp-mux are all there.
    is_complete: bool,
}

fn lines(answer: &str) -> Vec<Line> {
    assert!(answer.starts_with("v=0\r\n") && answer.ends_with("\r\n"));
    let read = |section: &str| {
        let all: Vec<&str> = section.split("\r\n").collect();
        let value = |name: &str| all.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let ways = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let needed =
            ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:sha-256 ", "a=setup:passive", "a=rtcp-mux"];
        Line {
            m: all[0].to_owned(),
            mid: value("a=mid:").unwrap(),
            direction: (*ways.iter().find(|way| all.contains(&&*format!("a={way}"))).unwrap()).to_owned(),
            msid: value("a=msid:"),
            codecs: all.iter().filter_map(|line| line.strip_prefix("a=rtpmap:")).map(str::to_owned).collect(),
            candidates: all.iter().filter(|line| line.starts_with("a=candidate:")).count(),
            is_complete: needed.iter().all(|start| all.iter().any(|line| line.starts_with(start))),
        }
    };
    answer.split("\r\nm=").skip(1).map(read).collect()
}

fn line(m: &str, mid: &str, direction: &str, kind: &str, codecs: &[&str], candidates: usize) -> Line {
    Line {
        m: m.into(),
        mid: mid.into(),
        direction: direction.into(),
        msid: Some(format!("dispatch {kind}")),
        codecs: codecs.iter().map(|codec| (*codec).to_owned()).collect(),
        candidates,
        is_complete: true,
    }
}

fn refused(m: &str, mid: &str) -> Line {
    Line {
        m: m.into(),
        mid: mid.into(),
        direction: "inactive".into(),
        msid: None,
        codecs: vec![],
        candidates: 0,
        is_complete: false,
    }
}

fn answered(port: &Port, offer: &str, role: Role) -> (Codec, Vec<Line>) {
    let Answer { peer, sdp, .. } = port.answer(&sdp(offer), role).unwrap();
    (peer.codec(), lines(&sdp))
}

const VP8: [&str; 2] = ["96 VP8/90000", "97 rtx/90000"];
const OPUS: [&str; 1] = ["111 opus/48000/2"];

#[tokio::test]
async fn chromium_with_sound_first() {
    let port = port(local()).await;
    let audio = line("audio 9 UDP/TLS/RTP/SAVPF 111", "0", "sendrecv", "audio", &OPUS, 1);
    let video = line("video 9 UDP/TLS/RTP/SAVPF 96 97", "1", "sendrecv", "video", &VP8, 0);
    assert_eq!(answered(&port, CHROMIUM, Role::Producer), (Codec::Vp8, vec![audio, video]));
}

#[tokio::test]
async fn chromium_where_sound_is_off() {
    let port = port(Settings { audio: false, ..local() }).await;
    let audio = line("audio 9 UDP/TLS/RTP/SAVPF 111", "0", "inactive", "audio", &OPUS, 1);
    let video = line("video 9 UDP/TLS/RTP/SAVPF 96 97", "1", "sendrecv", "video", &VP8, 0);
    assert_eq!(answered(&port, CHROMIUM, Role::Producer), (Codec::Vp8, vec![audio, video]));
}

#[tokio::test]
async fn chromium_where_only_h264_is_served() {
    let port = port(Settings { codecs: vec![Codec::H264], ..local() }).await;
    let (codec, lines) = answered(&port, CHROMIUM, Role::Producer);
    assert_eq!(codec, Codec::H264);
    // Baseline in packetization mode 1, and nothing else.
    let mut codecs = lines[1].codecs.clone();
    codecs.sort();
    assert_eq!(codecs, ["103 H264/90000", "104 rtx/90000", "109 H264/90000", "114 rtx/90000"]);
}

#[tokio::test]
async fn a_viewer_is_only_sent_to() {
    let port = port(local()).await;
    let video = line("video 9 UDP/TLS/RTP/SAVPF 96 97", "0", "sendonly", "video", &VP8, 1);
    let audio = line("audio 9 UDP/TLS/RTP/SAVPF 111", "1", "sendonly", "audio", &OPUS, 0);
    let role = Role::Viewer { codec: Codec::Vp8 };
    assert_eq!(answered(&port, CHROMIUM_VIEWER, role), (Codec::Vp8, vec![video, audio]));
    // Even if it would send.
    let (_, lines) = answered(&port, CHROMIUM, role);
    assert_eq!(lines.iter().map(|line| &*line.direction).collect::<Vec<_>>(), ["sendonly", "sendonly"]);
}

#[tokio::test]
async fn an_avatar_sees_and_speaks() {
    let port = port(local()).await;
    let (before, after) = CHROMIUM_VIEWER.rsplit_once("a=recvonly").unwrap();
    let offer = format!("{before}a=sendrecv{after}");
    let (_, lines) = answered(&port, &offer, Role::Producer);
    assert_eq!(lines.iter().map(|line| &*line.direction).collect::<Vec<_>>(), ["sendonly", "sendrecv"]);
}

#[tokio::test]
async fn aiortc() {
    let port = port(local()).await;
    let codecs = ["97 VP8/90000", "98 rtx/90000"];
    let video = line("video 9 UDP/TLS/RTP/SAVPF 97 98", "0", "sendrecv", "video", &codecs, 1);
    assert_eq!(answered(&port, AIORTC, Role::Producer), (Codec::Vp8, vec![video]));
}

#[tokio::test]
async fn firefox_prefers_h264_and_gets_no_data_channel() {
    let port = port(local()).await;
    let video = ["126 H264/90000", "127 rtx/90000"];
    let video = line("video 9 UDP/TLS/RTP/SAVPF 126 127", "0", "sendrecv", "video", &video, 1);
    let audio = line("audio 9 UDP/TLS/RTP/SAVPF 109", "1", "sendrecv", "audio", &["109 opus/48000/2"], 0);
    let data = refused("application 0 UDP/DTLS/SCTP webrtc-datachannel", "2");
    assert_eq!(answered(&port, FIREFOX, Role::Producer), (Codec::H264, vec![video, audio, data]));
    let answer = port.answer(&sdp(FIREFOX), Role::Producer).unwrap();
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1\r\n"), "refused lines are not bundled: {}", answer.sdp);
}

#[tokio::test]
async fn every_public_address_is_inside() {
    let public = vec!["203.0.113.7".parse().unwrap(), "203.0.113.8".parse().unwrap()];
    let port = port(Settings { public, ..local() }).await;
    port.announce_tcp("0.0.0.0:8080".parse().unwrap());
    let answer = port.answer(&sdp(CHROMIUM), Role::Producer).unwrap();
    let udp = port.addresses()[0].port();
    let mut told: Vec<String> = answer
        .sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
        .map(|words| format!("{} {} {}", words[2], words[4], words[5]))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "tcp 203.0.113.7 8080".to_owned(),
            "tcp 203.0.113.8 8080".to_owned(),
            format!("udp 203.0.113.7 {udp}"),
            format!("udp 203.0.113.8 {udp}"),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let port = port(local()).await;
    let refusal = |offer: &str, role| port.answer(&sdp(offer), role).unwrap_err().to_string();
    let cases = [
        (String::new(), "the offer cannot be read: it does not begin with v=0"),
        ("hello".into(), "the offer cannot be read: it does not begin with v=0"),
        (AIORTC.replace("a=ice-ufrag:mGdx\n", ""), "the offer cannot be read: it has no ICE user name"),
        (AIORTC.replace("sha-256", "sha-1"), "the offer cannot be read: it has no fingerprint with SHA-256"),
        (AIORTC.replace("a=mid:0\n", ""), "the offer cannot be read: an m-line has no mid"),
        (AIORTC.replace("a=sendrecv", "a=inactive"), "the offer has no video that could be used"),
        (AIORTC.replace("m=video", "m=text"), "the offer has no video that could be used"),
        (AIORTC.replace("m=video 51734", "m=video 0"), "the offer has no video that could be used"),
        (
            AIORTC.replace("VP8/90000", "VP9/90000").replace("H264/90000", "AV1/90000"),
            "the offer has no usable video codec: it has VP9, AV1, and VP8, H264 is needed",
        ),
        (
            AIORTC.replace("a=mid:0", "a=mid:a-mid-that-is-too-long"),
            "the offer cannot be read: the mid \"a-mid-that-is-too-long\" is not a short token",
        ),
    ];
    for (offer, expected) in cases {
        assert_eq!(refusal(&offer, Role::Producer), expected, "{offer}");
    }
    let sending = AIORTC.replace("a=sendrecv", "a=sendonly");
    let role = Role::Viewer { codec: Codec::Vp8 };
    assert_eq!(refusal(&sending, role), "the offer has no video that could be received");
    port.close();
    assert_eq!(port.answer(&sdp(AIORTC), Role::Producer).unwrap_err(), OfferError::Closed);
}
