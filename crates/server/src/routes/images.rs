//! `GET /images/:conversationId/:file`: images that came with messages.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use wire::ErrorCode;

use crate::App;
use crate::answer::Refusal;
use crate::extract::{Id, Inner};
use crate::openapi::{Group, get};

/// An image never changes under its name. Only who asked may keep it: it may have needed a key.
const FOREVER: &str = "private, max-age=31536000, immutable";

/// Whatever it turns out to be, it is not a page.
const POLICY: &str = "default-src 'none'; sandbox";

pub(super) fn group() -> Group {
    Group {
        name: "Images",
        about: "Images that came with messages. Chunks of the history name them by path.",
        operations: vec![
            get("/images/{conversationId}/{file}", image, "image")
                .says("Read an image", "It never changes under its name.")
                .gives("image/*", "The image, with its own type.")
                .fails(&[ErrorCode::NotFound]),
        ],
    }
}

async fn image(State(app): State<App>, Id(id): Id, Inner(file): Inner) -> Result<Response, Refusal> {
    let Some((bytes, mime_type)) = app.engine.image(&id, &file).await else {
        return Err(Refusal::of(ErrorCode::NotFound, "there is no image of that name"));
    };
    let headers = [(CONTENT_TYPE, mime_type), (CACHE_CONTROL, FOREVER), (CONTENT_SECURITY_POLICY, POLICY)];
    Ok((headers, bytes).into_response())
}
