//! A model provider that answers at a fixed pace, on a thread of its own.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time;
use weather::{Answer, Flavour, Received, Script, Weather};

/// A provider that says `token0 token1 …` to everybody.
pub(crate) struct Provider {
    weather: Arc<Weather>,
    /// Dropped, it ends the thread.
    _running: oneshot::Sender<()>,
}

/// When a request came, and when its answer began and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) arrived: Instant,
    pub(crate) first_token: Instant,
    pub(crate) ended: Instant,
}

impl Provider {
    pub(crate) fn start() -> Result<Self> {
        let (started, start) = mpsc::channel();
        let (running, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("provider".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let weather = Weather::start(Script::new([])).await.map(Arc::new);
                let _ = started.send(weather);
                let _ = stopped.await;
            });
        })?;
        let weather = start.recv().context("the provider has not started")??;
        Ok(Self { weather, _running: running })
    }

    /// From now on an answer has so many tokens, one every so often.
    pub(crate) fn pace(&self, tokens: usize, interval: Duration) {
        self.weather.change(Script::always(Answer::tokens(Flavour::OpenAi, tokens, interval)));
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/v1", self.weather.base_url())
    }

    /// Of the last request, once it is answered.
    pub(crate) async fn last(&self) -> Result<Marks> {
        loop {
            let last = self.weather.requests().pop();
            if let Some(Received { arrived, first_token: Some(first_token), ended: Some(ended), .. }) = last {
                return Ok(Marks { arrived, first_token, ended });
            }
            time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// What an answer of so many tokens says.
pub(crate) fn text(tokens: usize) -> String {
    (0..tokens).map(|n| format!("token{n} ")).collect()
}

/// What the server would send for a prompt, near enough.
pub(crate) fn request() -> serde_json::Value {
    json!({
        "model": "weather", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hello"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Turn;

    #[tokio::test]
    async fn the_marks_are_in_order_and_the_answer_is_whole() {
        let provider = Provider::start().unwrap();
        provider.pace(3, Duration::from_millis(2));
        let turn = Turn::bare(&bench::client::http().unwrap(), &provider).await.unwrap();
        let Marks { arrived, first_token, ended } = provider.last().await.unwrap();
        let first_text = turn.first_text.unwrap();
        let times = [turn.sent, arrived, first_token, first_text, turn.ended];
        assert!(times.is_sorted() && first_token < ended, "{times:?} {ended:?}");
        let body = String::from_utf8(turn.body().to_vec()).unwrap();
        let tokens: Vec<usize> = text(3).split_whitespace().filter_map(|token| body.find(token)).collect();
        assert!(tokens.len() == 3 && tokens.is_sorted() && body.ends_with("data: [DONE]\n\n"), "{body}");
    }
}
