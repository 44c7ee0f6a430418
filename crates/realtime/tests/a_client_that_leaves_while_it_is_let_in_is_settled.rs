//! A client can be gone before the server has decided whether to let it in, and the ledger may have its connection already.
//! It ends like any other.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use meter::Rate;
use realtime::Options;
use realtime::run::{Asking, Credential, Held, Model, Realtime, Settings};
use store::{Sqlite, Store};

/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

const CLIENTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_is_let_in_is_settled() {
    let directory = tempfile::tempdir().unwrap();
    let (sqlite, _) = Sqlite::open(directory.path()).unwrap();
    let store: Arc<dyn Store> = Arc::new(sqlite);
    let model = Model {
        name: "mirage".to_owned(),
        generator: "passthrough".to_owned(),
        size: video::Size::new(64, 48).unwrap(),
        fps: 25,
        per_second: Rate::FREE,
    };
    let settings = Settings {
        media: media::Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() },
        models: vec![model],
        max_sessions: 64,
        max_sessions_per_key: 64,
        max_viewers_per_session: 8,
        session: Options::default(),
    };
    let realtime = Realtime::start(settings, store.clone()).await.unwrap();
    let asking = Asking { user_agent: "", origin: None, credential: Credential::Operator };
    for _ in 0..CLIENTS {
        // As a server does it whose client hangs up: it asks, and does not come back for the answer.
        let mut produce = Box::pin(realtime.produce(asking, "mirage", None));
        let asked = produce.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(asked, Poll::Pending), "the ledger takes its time");
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sessions = store.sessions(None, 100).await.unwrap();
        let settled = sessions.iter().filter(|session| session.settled).count();
        if (sessions.len(), settled, realtime.held()) == (CLIENTS, CLIENTS, Held::default()) {
            assert!(sessions.iter().all(|session| session.reason.as_deref() == Some("disconnect")));
            break;
        }
        assert!(Instant::now() < deadline, "{settled} are settled, {:?} is held", realtime.held());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    realtime.shut_down().await;
}
