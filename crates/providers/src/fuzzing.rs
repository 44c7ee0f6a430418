//! Doors for the fuzz targets: the parser of server-sent events, and providers whose requests go nowhere.

use std::cell::RefCell;

use reqwest::{RequestBuilder, Response};

use crate::sse::Parser;

/// The events, as (name, data), that server-sent events in these pieces are, those at their very end included; and what
/// was wrong with them, if something was.
pub fn events<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    limit: usize,
) -> (Vec<(String, String)>, Result<(), String>) {
    let mut parser = Parser::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(too_large) = parser.feed(piece, |event| events.push((event.name, event.data))) {
            return (events, Err(too_large.to_string()));
        }
    }
    events.extend(parser.end().map(|event| (event.name, event.data)));
    (events, Ok(()))
}

thread_local! {
    static ANSWER: RefCell<Option<Response>> = const { RefCell::new(None) };
}

/// The next request of a provider on this thread gets this answer. Nothing leaves the process: a request that no answer
/// was prepared for is never answered.
pub fn answer_with(response: Response) {
    ANSWER.set(Some(response));
}

pub(crate) async fn send(_: RequestBuilder) -> reqwest::Result<Response> {
    match ANSWER.take() {
        Some(response) => Ok(response),
        None => std::future::pending().await,
    }
}
