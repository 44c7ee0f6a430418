//! Realtime sessions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use client::realtime::{
    Camera, ErrorCode, Event, Film, Frames, GenerationTick, Look, Options, Session, Start, State, Watching,
};
use client::video::Frame;
use futures_util::StreamExt;
use weather::tcp::Relay;

use crate::check::{Checks, soon, until};
use crate::film;
use crate::server::Server;

/// A picture of 16x16 pixels, all of them blue.
const BLUE: &str = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mMQ0bhDEmIY1TCqYfhqAAAUJBgQCtUO5gAAAABJRU5ErkJggg==";

/// The brightness of what is sent.
const GREY: u8 = 60;

/// Events as they are heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn by(session: &Session) -> Self {
        let heard = Self::default();
        let shared = heard.0.clone();
        session.on(move |event| {
            if let Ok(mut events) = shared.lock() {
                events.push(event.clone());
            }
        });
        heard
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().map(|events| events.clone()).unwrap_or_default()
    }

    fn states(&self) -> Vec<State> {
        let state = |event: &Event| match event {
            Event::ConnectionChange { state } => Some(*state),
            _ => None,
        };
        self.all().iter().filter_map(state).collect()
    }

    /// The ticks of each connection that generated.
    fn ticks(&self) -> Vec<Vec<GenerationTick>> {
        let mut ticks = Vec::new();
        for event in self.all() {
            match event {
                Event::ConnectionChange { state: State::Generating } => ticks.push(Vec::new()),
                Event::GenerationTick(tick) => match ticks.last_mut() {
                    Some(ticks) => ticks.push(tick),
                    None => ticks.push(vec![tick]),
                },
                Event::ConnectionChange { .. } | Event::Error { .. } => {}
            }
        }
        ticks
    }

    fn seconds(&self) -> Vec<Vec<u64>> {
        self.ticks().iter().map(|ticks| ticks.iter().map(|tick| tick.seconds).collect()).collect()
    }

    /// Waits for so many ticks of the connection of that number.
    async fn tick(&self, connection: usize, count: usize) -> Result<()> {
        until("ticks", || self.seconds().get(connection).is_some_and(|ticks| ticks.len() >= count)).await
    }
}

/// What is sent, for as long as this is not dropped.
struct Playing {
    camera: Camera,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play() -> Result<Playing> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("grey.y4m");
    film::write(&path, (320, 180), 15, GREY)?;
    let mut film = Film::open(&path).await?;
    let camera = Camera::new(film.fps())?;
    let shown = camera.clone();
    let task = tokio::spawn(async move {
        if let Err(error) = film.play_over_and_over(&shown).await {
            println!("the film has ended: {error}");
        }
    });
    Ok(Playing { camera, task, _folder: folder })
}

async fn connect(client: &Client, playing: &Playing, look: Option<Look>) -> Result<Session> {
    let options = Options { look, ..Options::default() };
    let start = Start { model: "small".to_owned(), camera: playing.camera.clone(), options };
    Ok(soon("to connect", Session::connect(client, start)).await??)
}

/// The means of the three planes.
fn means(frame: &Frame) -> [u32; 3] {
    frame.planes().map(|plane| {
        let sum: u64 = plane.rows().flatten().map(|pixel| u64::from(*pixel)).sum();
        (sum / (plane.width() * plane.height()) as u64) as u32
    })
}

/// Waits for a picture like that.
async fn see(what: &str, frames: &mut Frames, is: impl Fn([u32; 3]) -> bool) -> Result<()> {
    let look = async {
        while let Some(frame) = frames.next().await {
            if is(means(&frame)) {
                return Ok(());
            }
        }
        anyhow::bail!("there are no more pictures")
    };
    soon(what, look).await?
}

fn is_inverted([luma, blue, red]: [u32; 3]) -> bool {
    luma.abs_diff(251 - u32::from(GREY)) < 12 && blue.abs_diff(128) < 8 && red.abs_diff(128) < 8
}

fn is_red([_, blue, red]: [u32; 3]) -> bool {
    red > 145 && blue < 128
}

fn is_blue([_, blue, red]: [u32; 3]) -> bool {
    blue > 145 && red < 128
}

/// One that is changed, watched, and lost with its server.
pub(crate) async fn run(server: &mut Server, checks: &mut Checks) -> Result<()> {
    let credits = 1_000;
    let client = server.client_with(credits).await?;
    let playing = play().await?;
    let session = connect(&client, &playing, Some(Look::prompt("invert"))).await?;
    let (heard, again) = (Heard::by(&session), Heard::by(&session));
    let mut frames = session.frames();
    until("generating", || session.state() == State::Generating).await?;
    checks.that("a session is set up and generates", session.is_connected());
    until("the first state", || !heard.states().is_empty()).await?;
    checks.same(
        "handlers that come after it hear what was before",
        heard.all().first().cloned(),
        Some(Event::ConnectionChange { state: State::Connecting }),
    );
    see("inverted pictures", &mut frames, is_inverted).await?;
    checks.that("pictures come back, changed by the prompt that it began with", true);
    heard.tick(0, 3).await?;
    checks.same("ticks are 1, 2, 3, each heard once", heard.seconds()[0][..3].to_vec(), vec![1, 2, 3]);
    let left: Vec<_> = heard.ticks()[0][..3].iter().map(|tick| tick.credits.clone()).collect();
    let expected = (1..=3).map(|second| Some((credits - second).to_string())).collect();
    checks.same("ticks say the credits that are left", left, expected);

    soon("a prompt", session.set_prompt("red", true)).await??;
    see("red pictures", &mut frames, is_red).await?;
    checks.that("another prompt is acknowledged, and seen", true);
    soon("no prompt", session.set(&Look::default())).await??;
    let image = STANDARD.decode(BLUE)?;
    soon("an image", session.set_image(Some(&image))).await??;
    see("blue pictures", &mut frames, is_blue).await?;
    checks.that("an image is acknowledged, and seen", true);
    let refused = soon("no image", session.set_image(Some(b"no image"))).await?;
    checks.same("what is no image is refused", refused.map_err(|error| error.code), Err(ErrorCode::Rejected));

    let token = session.subscribe_token().context("there is no token for viewers")?;
    let viewer = soon("a viewer", Watching::connect(&server.client()?, &token, Options::default())).await??;
    see("what a viewer sees", &mut viewer.frames(), is_blue).await?;
    checks.that("a viewer sees the same", true);
    viewer.disconnect().await;

    let first = session.id();
    server.kill().await?;
    until("reconnecting", || heard.states().contains(&State::Reconnecting)).await?;
    checks.that("a server that is killed is noticed", session.state() == State::Reconnecting);
    let error = soon("a prompt", session.set_prompt("red", true)).await?.map_err(|error| error.code);
    checks.same("calls fail at once meanwhile", error, Err(ErrorCode::NotConnected));
    server.restart().await?;
    until("generating again", || heard.states().last() == Some(&State::Generating)).await?;
    heard.tick(1, 3).await?;
    checks.same("ticks begin with 1 again, each heard once", heard.seconds()[1][..3].to_vec(), vec![1, 2, 3]);
    checks.that("the session has another id", session.id() != first);
    see("blue pictures again", &mut frames, is_blue).await?;
    checks.that("the look is restored", true);
    soon("a prompt", session.set(&Look::prompt("invert"))).await??;
    see("inverted pictures again", &mut frames, is_inverted).await?;
    checks.that("and can be changed", true);

    soon("the end", session.disconnect()).await?;
    until("the end", || heard.states().last() == Some(&State::Disconnected)).await?;
    checks.same(
        "the states are these, in this order",
        without_connected(heard.states()),
        vec![
            State::Connecting,
            State::Generating,
            State::Reconnecting,
            State::Generating,
            State::Disconnected,
        ],
    );
    until("the other handler", || again.all().len() == heard.all().len()).await?;
    checks.that("all handlers hear the same", again.all() == heard.all());
    for (number, seconds) in heard.seconds().into_iter().enumerate() {
        let expected = (1..=seconds.len() as u64).collect();
        checks.same(
            &format!("no tick of connection {} is missing or doubled", number + 1),
            seconds,
            expected,
        );
    }
    let receipt = soon("the receipt", session.receipt()).await??;
    let seconds: Vec<_> = receipt.connections.iter().map(|connection| connection.seconds).collect();
    let ticks: Vec<_> = heard.seconds().iter().map(|ticks| ticks.len() as u64).collect();
    checks.that("the receipt is settled", receipt.settled);
    checks.same("it has both connections", seconds.len(), 2);
    // The last second may be billed and not heard of.
    let fits = seconds.iter().zip(&ticks).all(|(billed, heard)| (*heard..=*heard + 1).contains(billed));
    checks.that(&format!("it bills the seconds that were told: {seconds:?}, {ticks:?}"), fits);
    checks.same("and adds them up", receipt.seconds, seconds.iter().sum());
    checks.same("which is what it costs", receipt.credits.clone(), receipt.seconds.to_string());
    checks.same("it says why it ended", receipt.reason.as_deref(), Some("disconnect"));
    checks.same(
        "and why the first connection did",
        receipt.connections[0].reason.as_deref(),
        Some("interrupted"),
    );
    Ok(())
}

/// Whether it was seen that media flow before the first second depends on the moment.
fn without_connected(states: Vec<State>) -> Vec<State> {
    states.into_iter().filter(|state| *state != State::Connected).collect()
}

/// One that ends when its key has nothing left.
pub(crate) async fn runs_out(server: &Server, checks: &mut Checks) -> Result<()> {
    let client = server.client_with(3).await?;
    let playing = play().await?;
    let session = Arc::new(connect(&client, &playing, None).await?);
    let heard = Heard::by(&session);
    // A call that is under way whenever it ends.
    let caller = session.clone();
    let pending = tokio::spawn(async move {
        loop {
            if let Err(error) = caller.set_prompt("invert", true).await {
                return error.code;
            }
        }
    });
    until("the end", || heard.states().last() == Some(&State::Disconnected)).await?;
    checks.same("seconds are told until the credits are used up", heard.seconds(), vec![vec![1, 2, 3]]);
    let left = heard.ticks()[0].last().and_then(|tick| tick.credits.clone());
    checks.same("then nothing is left", left.as_deref(), Some("0"));
    let kinds: Vec<_> = heard
        .all()
        .into_iter()
        .filter_map(|event| match event {
            Event::Error { error } => error.error_type,
            Event::ConnectionChange { .. } | Event::GenerationTick(_) => None,
        })
        .collect();
    checks.same("that is told, once", kinds, vec!["insufficient_credits".to_owned()]);
    let code = soon("the pending call", pending).await??;
    let fails = matches!(code, ErrorCode::NotConnected | ErrorCode::Server);
    checks.that("a pending call fails at once", fails);
    let late = soon("a late call", session.set_prompt("red", true)).await?.map_err(|error| error.code);
    checks.same("and so does a late one", late, Err(ErrorCode::NotConnected));
    let events = heard.all();
    tokio::time::sleep(Duration::from_secs(5)).await;
    checks.that("nothing more happens", heard.all() == events && session.state() == State::Disconnected);
    let receipt = soon("the receipt", session.receipt()).await??;
    checks.same(
        "the receipt says what it cost and why it ended",
        (receipt.seconds, receipt.credits.as_str(), receipt.reason.as_deref(), receipt.settled),
        (3, "3", Some("insufficient_credits"), true),
    );
    checks.same("there was one connection", receipt.connections.len(), 1);
    Ok(())
}

/// One that the operator ends.
pub(crate) async fn is_ended(server: &Server, checks: &mut Checks) -> Result<()> {
    let client = server.client_with(100).await?;
    let playing = play().await?;
    let session = connect(&client, &playing, None).await?;
    let heard = Heard::by(&session);
    heard.tick(0, 1).await?;
    let id = session.id().context("it has no id")?;
    server.client()?.end_session(&id).await?;
    until("the end", || heard.states().last() == Some(&State::Disconnected)).await?;
    let receipt = soon("the receipt", session.receipt()).await??;
    checks.same(
        "a session that is ended for good is not set up again, and its receipt says why",
        (receipt.reason.as_deref(), receipt.settled, receipt.connections.len()),
        (Some("deleted_by_operator"), true, 1),
    );
    checks.that("and what it cost", receipt.seconds >= 1 && receipt.credits == receipt.seconds.to_string());
    Ok(())
}

/// One that loses its socket, several times.
pub(crate) async fn is_cut(server: &Server, checks: &mut Checks) -> Result<()> {
    const CUTS: usize = 3;
    let relay = Relay::start(server.http).await?;
    let client = server.client_through(relay.address())?;
    let playing = play().await?;
    let session = connect(&client, &playing, Some(Look::prompt("invert"))).await?;
    let (heard, mut frames) = (Heard::by(&session), session.frames());
    for cut in 0..CUTS {
        heard.tick(cut, 1).await?;
        relay.cut();
    }
    heard.tick(CUTS, 2).await?;
    see("inverted pictures", &mut frames, is_inverted).await?;
    soon("the end", session.disconnect()).await?;
    until("the end", || heard.states().last() == Some(&State::Disconnected)).await?;
    let seconds = heard.seconds();
    let in_order = seconds.iter().all(|ticks| *ticks == (1..=ticks.len() as u64).collect::<Vec<_>>());
    checks.that("a session whose socket is cut is set up again, and no tick is doubled", in_order);
    let receipt = soon("the receipt", session.receipt()).await??;
    let heard: usize = seconds.iter().map(Vec::len).sum();
    checks.that(
        &format!("its receipt has all {} connections: {} seconds, {heard} told", CUTS + 1, receipt.seconds),
        receipt.connections.len() == CUTS + 1
            && (heard..=heard + CUTS + 1).contains(&(receipt.seconds as usize)),
    );
    Ok(())
}
