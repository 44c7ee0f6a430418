//! The page of the app at each of its addresses, and its files: compressed or not, known or not, and under which policies.

use reqwest::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use reqwest::{Method, Response};
use serde_json::json;

use crate::support::*;

const VIEWS: [&str; 8] =
    ["/", "/c/tour", "/c/a%20b%2Fc", "/realtime", "/watch", "/usage", "/keys?anything=goes", "/settings"];

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn ask(server: &Running, path: &str, headers: &[(reqwest::header::HeaderName, &str)]) -> Response {
    let request = server.client.get(server.url(path));
    headers.iter().fold(request, |request, (name, value)| request.header(name, *value)).send().await.unwrap()
}

/// A file that the page loads, if the app was built.
async fn some_asset(server: &Running) -> Option<String> {
    let page = ask(server, "/", &[]).await.text().await.unwrap();
    let asset = page.split('"').find(|text| text.starts_with("/assets/")).map(str::to_owned);
    assert_eq!(asset.is_some(), app::is_built(), "{page}");
    asset
}

#[tokio::test]
async fn every_address_of_the_app_is_its_page_and_needs_no_key() {
    let server = serve_with(server::Settings { api_keys: vec!["secret".to_owned()], ..settings() }).await;
    for path in VIEWS {
        let response = ask(&server, path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("etag", app::index().etag),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(&response, name), Some(value), "{path}");
        }
        let permissions = header(&response, "permissions-policy").unwrap();
        assert!(permissions.contains("camera=(self), display-capture=(self)"), "{permissions}");
        let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
        assert_eq!(vary, ["accept-encoding", "origin"]);
        assert_eq!(response.bytes().await.unwrap(), app::index().content());
    }
    for (path, status) in [("/c", 401), ("/c/", 401), ("/c/a/b", 401), ("/settings/", 401), ("/assets/", 401)]
    {
        assert_eq!(server.get(path).await.0, status, "{path} is nothing of the app");
    }
    assert_eq!(server.get("/assets/none.js").await.0, 404);
    let refused = server.client.post(server.url("/keys")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn the_policy_lets_nothing_run_that_is_not_a_file_of_the_app() {
    let server = serve().await;
    let response = ask(&server, "/", &[]).await;
    let policy = header(&response, "content-security-policy").unwrap();
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    assert_eq!(directives[0], "default-src 'none'");
    for directive in [
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(directives.contains(&directive), "{directive} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    // The page keeps to it: nothing is written into it that the policy would have to allow.
    let page = response.text().await.unwrap();
    for refused in ["<style", "style=", "onclick=", "onload=", "javascript:"] {
        assert!(!page.contains(refused), "{refused}");
    }
    for script in page.split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        assert!(attributes.contains("src=\"/assets/") && rest.starts_with("</script>"), "{script}");
    }
}

#[tokio::test]
async fn a_page_that_is_known_is_not_sent_again_and_a_head_has_no_body() {
    let server = serve().await;
    let etag = app::index().etag;
    for known in [etag, etag.trim_start_matches("W/"), "W/\"other\", *"] {
        let response = ask(&server, "/c/tour", &[(IF_NONE_MATCH, known)]).await;
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(header(&response, "etag"), Some(etag));
        assert!(
            header(&response, "content-security-policy").is_some(),
            "the policy is that of the new answer"
        );
        assert_eq!(response.bytes().await.unwrap().len(), 0);
    }
    assert_eq!(ask(&server, "/", &[(IF_NONE_MATCH, "\"other\"")]).await.status(), 200);
    let head = server.client.request(Method::HEAD, server.url("/usage")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "etag")), (200, Some(etag)));
    assert_eq!(header(&head, "content-length"), Some(app::index().content().len().to_string().as_str()));
    assert_eq!(head.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_takes_gzip_gets_it_and_all_others_the_file() {
    let server = serve().await;
    let asset = some_asset(&server).await;
    for path in ["/"].into_iter().chain(asset.as_deref()) {
        let plain = ask(&server, path, &[(ACCEPT_ENCODING, "identity")]).await;
        assert_eq!(header(&plain, "content-encoding"), None);
        let plain_type = header(&plain, "content-type").unwrap().to_owned();
        let content = plain.bytes().await.unwrap();
        // The client does not unpack anything: what arrives is what was sent.
        let packed = ask(&server, path, &[(ACCEPT_ENCODING, "br, gzip, deflate")]).await;
        assert_eq!(header(&packed, "content-encoding"), Some("gzip"));
        assert_eq!(header(&packed, "content-type"), Some(plain_type.as_str()));
        let packed = packed.bytes().await.unwrap();
        let file = match path.strip_prefix("/assets/") {
            Some(name) => app::asset(name).unwrap(),
            None => app::index(),
        };
        assert_eq!((content.to_vec(), packed.to_vec()), (file.content(), file.gzipped.to_vec()), "{path}");
    }
}

#[tokio::test]
async fn a_file_holds_for_ever_and_one_that_is_not_there_is_an_error_for_programs() {
    let server = serve().await;
    if let Some(path) = some_asset(&server).await {
        let response = ask(&server, &path, &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "cache-control"), Some("public, max-age=31536000, immutable"));
        let etag = header(&response, "etag").unwrap().to_owned();
        assert_eq!(ask(&server, &path, &[(IF_NONE_MATCH, &etag)]).await.status(), 304);
    }
    for path in
        ["/assets/none.js", "/assets/..%2Findex.html", "/favicon.ico", "/realtime/page.js", "/nothing"]
    {
        let (status, answer) = server.get(path).await;
        assert_eq!((status, &answer["code"]), (404, &json!("not-found")), "{path}");
    }
    // A session's socket is not a page, and stays where it was.
    let socket = tokio_tungstenite::connect_async(format!("ws://{}/realtime", server.http)).await;
    assert!(socket.is_ok(), "any path takes a conversation's socket");
}
