//! Realtime sessions, as the configuration has them.

use std::sync::Arc;

use realtime::run::{Model, Realtime, Settings};
use store::Store;

use crate::config::Config;
use crate::failure::Failure;

/// Opens the media port; none if there are to be no sessions.
pub(super) async fn start(config: &Config, store: Arc<dyn Store>) -> Result<Option<Realtime>, Failure> {
    let wanted = &config.realtime;
    if !wanted.enabled {
        return Ok(None);
    }
    let models = wanted.served().into_iter().map(|model| {
        let size = video::Size::new(model.width, model.height).map_err(|error| {
            Failure::coded(format!("realtime.models: `{}`: {error}", model.name), "invalid-config")
        })?;
        Ok(Model {
            name: model.name,
            generator: model.generator.to_string(),
            size,
            fps: model.fps,
            per_second: model.credits_per_second,
        })
    });
    let media = media::Settings {
        listen: wanted.listen(config.http.0),
        public: wanted.public_addresses.iter().map(|address| address.0).collect(),
        ..media::Settings::default()
    };
    let settings = Settings {
        media,
        models: models.collect::<Result<_, Failure>>()?,
        max_sessions: wanted.max_sessions,
        max_sessions_per_key: wanted.max_sessions_per_key,
        max_viewers_per_session: wanted.max_viewers_per_session,
        session: realtime::Options::default(),
    };
    let realtime = Realtime::start(settings, store).await.map_err(|error| {
        Failure::new(format!(
            "{error}. Choose other addresses with realtime.udp, or realtime.enabled = false"
        ))
    })?;
    Ok(Some(realtime))
}
