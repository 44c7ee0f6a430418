//! Requests through the real routes. An answer is a success or says in JSON what was wrong; it is never a failure of the
//! server, and what is refused changes nothing.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;
use tower_service::Service;
use wire::ErrorCode;

use crate::world::{HIDDEN, MOMENT, World, run, settle};

/// The most requests of one input.
const MOST: usize = 8;

/// Stands between two requests.
const BETWEEN: &[u8] = b"\n---\n";

/// Several requests. Each begins with a line with the name of an operation and, if need be, the parameters of its path;
/// what follows is its body.
pub(crate) fn bodies(data: &[u8]) {
    run(async {
        let world = World::new();
        let mut rest = Some(data);
        for _ in 0..MOST {
            let Some(request) = rest else { return };
            let end = request.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN);
            rest = end.map(|end| &request[end + BETWEEN.len()..]);
            let request = &request[..end.unwrap_or(request.len())];
            let line = request.iter().position(|byte| *byte == b'\n').unwrap_or(request.len());
            let (head, body) =
                (String::from_utf8_lossy(&request[..line]), request.get(line + 1..).unwrap_or_default());
            let mut words = head.split(' ');
            let operation = Operation::called(words.next().unwrap_or_default());
            let target = operation.target(words);
            let Ok(target) = target.parse::<Uri>() else { continue };
            let answer = ask(&world, operation.method.clone(), target, body).await;
            operation.check(&answer);
        }
    });
}

/// Several requests without a body, each a line with a method and a path with its query.
pub(crate) fn paths(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').take(MOST).collect();
    run(async {
        let world = World::new();
        for message in ["one", "two\nlines"] {
            let body = serde_json::json!({ "conversationId": "c", "message": message }).to_string();
            let answer = ask(&world, Method::POST, Uri::from_static("/chat"), body.as_bytes()).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
        for line in lines {
            let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let Ok(method) = Method::from_bytes(&line[..end]) else { continue };
            let Ok(target) = Uri::try_from(line.get(end + 1..).unwrap_or_default()) else { continue };
            let path = target.path().to_owned();
            let answer = ask(&world, method.clone(), target, b"").await;
            if method == Method::GET && answer.status == StatusCode::OK && is_history(&path) {
                check_history(&answer);
            }
        }
    });
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

/// Asks, and checks what holds for every answer.
async fn ask(world: &World, method: Method, target: Uri, body: &[u8]) -> Answer {
    settle().await;
    let before = world.kept().await;
    let what = format!("{method} {target}");
    let request = Request::builder()
        .method(method.clone())
        .uri(target)
        .header("host", "localhost")
        .body(Body::from(Bytes::copy_from_slice(body)))
        .expect("all parts of it are good");
    let Ok(response) = world.router.clone().call(request).await;
    let (head, mut stream) = response.into_parts();
    let (status, mut body) = (head.status, Vec::new());
    // A stream may have no end; what is there is read.
    while let Ok(Some(Ok(frame))) = timeout(MOMENT, stream.frame()).await {
        body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    drop(stream);
    settle().await;

    let shown = String::from_utf8_lossy(&body);
    assert!(status.is_success() || status.is_client_error(), "{what}: {status}: {shown}");
    let is_image = status.is_success() && what.contains(" /images/");
    assert!(!(is_image && shown.contains(HIDDEN)), "{what} reads what lies outside");
    if !status.is_success() {
        if method != Method::HEAD {
            code(&what, &body);
        }
        assert_eq!(
            before,
            world.kept().await,
            "{what} was refused with {status} and changed something: {shown}"
        );
    }
    if method == Method::GET || method == Method::HEAD || method == Method::OPTIONS {
        assert_eq!(before, world.kept().await, "{what} changed something");
    }
    Answer { status, body }
}

/// The code of a refusal, which has words as well, and nothing else.
fn code(what: &str, body: &[u8]) -> ErrorCode {
    let shown = String::from_utf8_lossy(body);
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        panic!("{what}: a refusal that is no JSON object: {shown}");
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    // The contract of client tokens wants a list of what is wrong besides.
    let others = fields.iter().filter(|(name, value)| !(*name == "detail" && value.is_array())).count();
    assert!(!text("error").is_empty() && others == 2, "{what}: not how errors look: {shown}");
    ErrorCode::parse(text("code")).unwrap_or_else(|| panic!("{what}: an unknown code: {shown}"))
}

fn is_history(path: &str) -> bool {
    path.strip_prefix("/conversations/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn check_history(answer: &Answer) {
    let history: Value = serde_json::from_slice(&answer.body).expect("a history is JSON");
    let chunks = history["chunks"].as_array().expect("a history has chunks");
    let seqs: Vec<u64> =
        chunks.iter().map(|chunk| chunk["seq"].as_u64().expect("a chunk has a seq")).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap: {seqs:?}");
    let latest = history["latestSeq"].as_u64().expect("a history says how far it goes");
    assert!(seqs.last().is_none_or(|last| *last == latest), "{seqs:?} end at {latest}");
}

/// One of the operations that the server itself says that it has.
struct Operation {
    name: String,
    method: Method,
    path: String,
    /// The codes of each status that the documentation has.
    answers: BTreeMap<u16, Vec<String>>,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    // Asked for on a thread of its own: there may be a runtime on this one.
    let asked = std::thread::spawn(|| {
        run(async { ask(&World::new(), Method::GET, Uri::from_static("/openapi.json"), b"").await.body })
    });
    let document = asked.join().expect("the server answers");
    let document: Value = serde_json::from_slice(&document).expect("the documentation is JSON");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("there are paths") {
        for (method, described) in methods.as_object().expect("a path has methods") {
            let answers = described["responses"].as_object().expect("an operation has answers");
            let codes = |answer: &Value| {
                let codes = answer["x-error-codes"].as_array();
                codes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
            };
            operations.push(Operation {
                name: described["operationId"].as_str().expect("an operation has a name").to_owned(),
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                answers: answers
                    .iter()
                    .filter_map(|(status, answer)| Some((status.parse().ok()?, codes(answer))))
                    .collect(),
            });
        }
    }
    operations
});

impl Operation {
    /// The one of that name. What is no name stands for one as well, so that no input is wasted.
    fn called(name: &str) -> &'static Self {
        let all = &*OPERATIONS;
        all.iter().find(|operation| operation.name == name).unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            let bodies =
                all.iter().filter(|operation| matches!(operation.method, Method::POST | Method::PUT));
            let bodies: Vec<_> = bodies.collect();
            bodies[usize::try_from(hasher.finish() % bodies.len() as u64).unwrap_or_default()]
        })
    }

    /// The path with these parameters; the conversation is `c` unless they say otherwise.
    fn target<'w>(&self, mut parameters: impl Iterator<Item = &'w str>) -> String {
        let parts = self.path.split('/').map(|part| {
            if !part.starts_with('{') {
                return part.to_owned();
            }
            let parameter = parameters.next().filter(|parameter| !parameter.is_empty()).unwrap_or("c");
            // As clients write it; paths that are not as they should be are for another target.
            form_urlencoded::byte_serialize(parameter.as_bytes()).collect::<String>().replace('+', "%20")
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn check(&self, answer: &Answer) {
        let Answer { status, body } = answer;
        let known = self.answers.get(&status.as_u16());
        let codes = known.unwrap_or_else(|| panic!("{}: {status} is not documented", self.name));
        if !status.is_success() {
            let code = code(&self.name, body);
            assert!(
                codes.iter().any(|known| known == code.as_str()),
                "{}: {code} is not documented",
                self.name
            );
        }
    }
}
