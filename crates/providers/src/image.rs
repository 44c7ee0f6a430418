//! Images of a conversation: what a provider can take of them, and words for the rest.
//!
//! A provider refuses a whole request for one image that it cannot read, and the image stays in the history: the
//! conversation would be refused for ever. So an image is looked at before it is sent, and one that would be refused
//! becomes a sentence that says so. What becomes of it depends on the image alone, so that requests keep their prefix.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Message, Part, Request};
use reqwest::Url;
use wire::Chunk;
use wire::extension::ImageChunk;

/// What a provider takes, where providers differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// The most characters of base64 of one image.
    pub(crate) data: usize,
    /// Whether it fetches from addresses without TLS.
    pub(crate) plain_http: bool,
}

/// An image as a provider gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Image<'r> {
    Data {
        /// What the data says that it is, whatever was said about it.
        media_type: &'static str,
        /// In base64.
        data: &'r str,
    },
    Address(Url),
    /// What stands in its place.
    Words(String),
}

/// What all providers take, by the first bytes of its files.
const TYPES: [(&str, &[u8]); 4] = [
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    (WEBP, b"RIFF"),
];

/// Says what it is only after its size.
const WEBP: &str = "image/webp";

/// As much base64 as holds the first twelve bytes.
const HEAD: usize = 16;

impl<'r> Image<'r> {
    pub(crate) fn of(chunk: &'r ImageChunk, takes: Takes) -> Self {
        let seen = match chunk.url.strip_prefix("data:") {
            Some(rest) => data(rest, takes),
            None => address(&chunk.url, takes),
        };
        seen.unwrap_or_else(|why| {
            Self::Words(format!("[an image ({}) that could not be sent: {why}]", kind(chunk)))
        })
    }
}

/// A request to a model that does not see: words where there were images.
pub(crate) fn unseen(mut request: Request) -> Request {
    let is_image = |part: &Part| matches!(part.chunk, Chunk::Image(_));
    for message in &mut request.messages {
        if message.parts.iter().any(is_image) {
            let parts = message.parts.iter().map(|part| {
                let Chunk::Image(image) = &part.chunk else { return part.clone() };
                let text = format!("[an image ({}) that this model cannot see]", kind(image));
                Chunk::Text { text }.into()
            });
            *message = Arc::new(Message { role: message.role, parts: parts.collect() });
        }
    }
    request
}

/// What an image is said to be.
fn kind(image: &ImageChunk) -> &str {
    let said = image.mime_type.as_deref().or_else(|| declared(&image.url));
    said.filter(|said| is_media_type(said)).unwrap_or("of an unknown type")
}

fn data(rest: &str, takes: Takes) -> Result<Image<'_>, String> {
    let not_base64 = || "its data is not base64".to_owned();
    let (head, data) = rest.split_once(',').ok_or_else(not_base64)?;
    if !head.ends_with(";base64") {
        return Err(not_base64());
    }
    if data.len() > takes.data {
        return Err(format!("it is larger than the provider takes, {} bytes of base64", takes.data));
    }
    if !is_base64(data) {
        return Err(not_base64());
    }
    let start = data.get(..HEAD.min(data.len())).unwrap_or_default();
    let bytes = STANDARD.decode(start).map_err(|_| not_base64())?;
    let known = TYPES.iter().find(|(media_type, magic)| {
        bytes.starts_with(magic) && (*media_type != WEBP || bytes.get(8..) == Some(b"WEBP"))
    });
    let Some(&(media_type, _)) = known else {
        return Err("it is neither PNG, JPEG, GIF nor WebP".to_owned());
    };
    Ok(Image::Data { media_type, data })
}

fn address(url: &str, takes: Takes) -> Result<Image<'static>, String> {
    let nowhere = || "it has no address that a provider can fetch it from".to_owned();
    let url = Url::parse(url).map_err(|_| nowhere())?;
    let host = url.host_str().ok_or_else(nowhere)?;
    match url.scheme() {
        "https" | "http" if is_local(host) => {
            Err("its address is local, so the provider cannot reach it".to_owned())
        }
        "https" => Ok(Image::Address(url)),
        "http" if takes.plain_http => Ok(Image::Address(url)),
        "http" => Err("the provider fetches from https: addresses only".to_owned()),
        _ => Err(nowhere()),
    }
}

/// Names that only a private network knows.
const LOCAL: [&str; 5] = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];

/// Whether a host of a URL is this machine, or one of a private network. Nobody is asked what a name stands for.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => is_local_v4(ip),
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => is_local_v4(ip),
            None => {
                ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        },
        Err(_) => !host.contains('.') || LOCAL.iter().any(|end| host.ends_with(end)),
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    // Carriers and VPNs share 100.64.0.0/10, each for itself.
    let is_shared = first == 100 && (64..128).contains(&second);
    ip.is_loopback() || ip.is_unspecified() || ip.is_private() || ip.is_link_local() || is_shared
}

/// The type that a `data:` URL says.
fn declared(url: &str) -> Option<&str> {
    let head = url.strip_prefix("data:")?.split_once(',')?.0;
    head.split(';').next()
}

/// Whether a text that somebody gave as a type can stand in a sentence.
fn is_media_type(kind: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
    !kind.is_empty() && kind.len() <= 64 && kind.chars().all(is_plain)
}

/// Whether it is whole base64 with its padding. Nothing is decoded: images are large, and history is sent often.
fn is_base64(data: &str) -> bool {
    let bare = data.strip_suffix("==").or_else(|| data.strip_suffix('=')).unwrap_or(data);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    data.len().is_multiple_of(4) && bare.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: Takes = Takes { data: 40, plain_http: false };

    fn image(url: &str, mime_type: Option<&str>) -> ImageChunk {
        ImageChunk { url: url.to_owned(), mime_type: mime_type.map(str::to_owned) }
    }

    fn encoded(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    #[test]
    fn an_image_is_what_its_first_bytes_say() {
        let files: [(&[u8], &str); 5] = [
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\x89PNG\r\n\x1a\nand more", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
        ];
        for (bytes, media_type) in files {
            let data = encoded(bytes);
            for head in ["image/png", "image/jpeg", "image/bmp", "text/plain;charset=utf-8", ""] {
                let url = format!("data:{head};base64,{data}");
                let chunk = image(&url, None);
                assert_eq!(Image::of(&chunk, TAKES), Image::Data { media_type, data: &data }, "{url}");
            }
        }
    }

    #[test]
    fn what_would_be_refused_becomes_words() {
        let png = encoded(b"\x89PNG\r\n\x1a\n");
        let bmp = encoded(b"BM0000");
        let large = encoded(format!("GIF89a{}", "x".repeat(40)).as_bytes());
        let wave = encoded(b"RIFF\x01\x02\x03\x04WAVEfmt ");
        let cases = [
            (
                format!("data:image/bmp;base64,{bmp}"),
                None,
                "image/bmp",
                "it is neither PNG, JPEG, GIF nor WebP",
            ),
            (
                format!("data:image/webp;base64,{wave}"),
                None,
                "image/webp",
                "it is neither PNG, JPEG, GIF nor WebP",
            ),
            ("data:image/png;base64,".into(), None, "image/png", "it is neither PNG, JPEG, GIF nor WebP"),
            (
                format!("data:image/gif;base64,{large}"),
                None,
                "image/gif",
                "it is larger than the provider takes, 40 bytes of base64",
            ),
            (format!("data:image/png;base64,{png}é"), None, "image/png", "its data is not base64"),
            (format!("data:image/png;base64,{png}A"), None, "image/png", "its data is not base64"),
            (format!("data:image/png;base64,A=BC{png}"), None, "image/png", "its data is not base64"),
            ("data:image/png,\u{89}PNG".into(), None, "image/png", "its data is not base64"),
            ("data:image/png".into(), None, "of an unknown type", "its data is not base64"),
            ("data:,".into(), Some("a type?"), "of an unknown type", "its data is not base64"),
            (
                "http://example.com/a".into(),
                Some("image/gif"),
                "image/gif",
                "the provider fetches from https: addresses only",
            ),
            (
                "https://localhost:8080/a".into(),
                None,
                "of an unknown type",
                "its address is local, so the provider cannot reach it",
            ),
            (
                "/images/c1/a.png".into(),
                Some("image/png"),
                "image/png",
                "it has no address that a provider can fetch it from",
            ),
            (
                "https://".into(),
                None,
                "of an unknown type",
                "it has no address that a provider can fetch it from",
            ),
            (
                "file:///a.png".into(),
                None,
                "of an unknown type",
                "it has no address that a provider can fetch it from",
            ),
        ];
        for (url, mime_type, kind, why) in cases {
            let words = format!("[an image ({kind}) that could not be sent: {why}]");
            assert_eq!(Image::of(&image(&url, mime_type), TAKES), Image::Words(words), "{url}");
        }
    }

    #[test]
    fn an_address_is_sent_as_the_url_that_it_means() {
        let takes = Takes { plain_http: true, ..TAKES };
        for (said, sent) in [
            ("https://example.com/a?b=c&d=%2F#e", "https://example.com/a?b=c&d=%2F#e"),
            ("https://example.com", "https://example.com/"),
            ("HTTP://example.com:80/a b", "http://example.com/a%20b"),
            ("http://93.184.215.14/a.png", "http://93.184.215.14/a.png"),
        ] {
            let image = image(said, None);
            assert_eq!(Image::of(&image, takes), Image::Address(Url::parse(sent).unwrap()));
            let Image::Address(url) = Image::of(&image, takes) else { panic!("{said}") };
            assert_eq!(url.as_str(), sent);
        }
    }

    #[test]
    fn a_local_host_is_told_from_one_of_the_internet() {
        let host = |url: &str| Url::parse(url).unwrap().host_str().unwrap().to_owned();
        for local in [
            "http://localhost/",
            "http://LOCALHOST./",
            "http://app.localhost/",
            "http://nas/",
            "http://nas.local/",
            "http://git.internal/",
            "http://router.lan/",
            "http://router.home.arpa/",
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
            "http://100.100.1.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert!(is_local(&host(local)), "{local}");
        }
        for elsewhere in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://xn--bcher-kva.example/",
            "http://8.8.8.8/",
            "http://100.128.0.1/",
            "http://172.32.0.1/",
            "http://[2606:4700::1111]/",
            "http://[::ffff:8.8.8.8]/",
        ] {
            assert!(!is_local(&host(elsewhere)), "{elsewhere}");
        }
    }
}
