//! Which candidates of a client are of use.

use std::net::IpAddr;

use wire::realtime::IceCandidate;

/// The most bytes of a candidate: real ones have about a hundred.
const LONGEST: usize = 1024;

/// The candidate attribute, from `candidate:` on, if the server can send to that address.
///
/// Of no use are: the empty one with which some browsers end; names, such as the `.local` ones behind which browsers
/// hide addresses, as they would have to be resolved (the address itself shows when the client's checks arrive); and
/// anything but UDP.
pub(crate) fn usable(candidate: IceCandidate) -> Option<String> {
    let attribute = candidate.candidate;
    if attribute.len() > LONGEST {
        return None;
    }
    // candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> …
    let mut parts = attribute.strip_prefix("candidate:")?.split_ascii_whitespace();
    let transport = parts.nth(2)?;
    let address = parts.nth(1)?;
    let port = parts.next()?;
    let is_usable = transport.eq_ignore_ascii_case("udp")
        && address.parse::<IpAddr>().is_ok()
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && parts.next() == Some("typ")
        && parts.next().is_some();
    is_usable.then_some(attribute)
}
