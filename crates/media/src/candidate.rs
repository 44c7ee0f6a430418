//! Which candidates of a client are of use.

use std::net::IpAddr;

use str0m::Candidate;

/// The most bytes of a candidate: real ones have about a hundred.
const LONGEST: usize = 1024;

/// How many candidates of one client are taken. Each is an address to which the server sends checks.
pub(crate) const MOST: usize = 32;

/// The candidate, if the server can send to it.
///
/// Of no use are the empty text and `null`, with which some clients end; names, such as the `.local` ones behind which
/// browsers hide addresses, as they would have to be resolved (the address shows when the client's checks arrive);
/// anything but UDP, as it is always the client that opens a TCP connection; and what cannot be read.
pub(crate) fn parse(text: &str) -> Option<Candidate> {
    let attribute = text.trim();
    let attribute = attribute.strip_prefix("a=").unwrap_or(attribute);
    if attribute.len() > LONGEST || attribute.contains(['\r', '\n']) {
        return None;
    }
    // candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> …
    let mut parts = attribute.strip_prefix("candidate:")?.split_ascii_whitespace();
    let transport = parts.nth(2)?;
    let address: IpAddr = parts.nth(1)?.parse().ok()?;
    let port: u16 = parts.next()?.parse().ok()?;
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if !transport.eq_ignore_ascii_case("udp")
        || port == 0
        || address.is_unspecified()
        || address.is_multicast()
        || is_broadcast
    {
        return None;
    }
    Candidate::from_sdp_string(attribute).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<String> {
        parse(text).map(|candidate| candidate.addr().to_string())
    }

    #[test]
    fn addresses_are_taken_and_the_rest_is_skipped() {
        let good = [
            ("candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host", "192.0.2.7:40000"),
            ("a=candidate:1 1 UDP 2130706431 192.0.2.7 40000 typ host\r\n", "192.0.2.7:40000"),
            (
                "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 10.0.0.17 rport 46154 \
              generation 0 network-cost 999",
                "203.0.113.9:46154",
            ),
            ("candidate:2 1 udp 2130706431 2001:db8::7 40000 typ host", "[2001:db8::7]:40000"),
        ];
        for (text, expected) in good {
            assert_eq!(address(text).as_deref(), Some(expected), "{text}");
        }
        let junk = [
            "",
            "null",
            "candidate:",
            "candidate:1 1 udp 1 0a4f-11.local 40000 typ host",
            "candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
            "candidate:1 1 udp 1 192.0.2.7 0 typ host",
            "candidate:1 1 udp 1 192.0.2.7 70000 typ host",
            "candidate:1 1 udp 1 0.0.0.0 40000 typ host",
            "candidate:1 1 udp 1 224.0.0.1 40000 typ host",
            "candidate:1 1 udp 1 255.255.255.255 40000 typ host",
            "candidate:1 1 udp 1 192.0.2.7 40000",
            "candidate:1 1 udp 1 192.0.2.7 40000 typ nonsense",
            "candidate:1 1 udp x 192.0.2.7 40000 typ host",
        ];
        for text in junk {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(
            address(&format!("candidate:{} 1 udp 1 192.0.2.7 40000 typ host", "1".repeat(2000))),
            None
        );
    }
}
