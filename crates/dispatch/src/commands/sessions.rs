//! `dispatch sessions`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use wire::account::{ConnectionReceipt, SessionReceipt};

use super::{keys, report};
use crate::cli::Connection;
use crate::failure::Failure;
use crate::render::{Column, ago, clean, duration, grouped, now, short_text, table};
use client::Client;

/// As many as the server lists at most.
const ALL: u64 = 1000;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Subcommand)]
enum Action {
    /// List the newest sessions; the default
    List {
        /// At most so many; default: 100
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,

        /// Only those that this key pays for
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// Show what a session cost, and each of its connections
    Show {
        /// The session, or one of its connections
        id: String,
    },
    /// End a session; nobody goes on with it
    End {
        /// The session, or one of its connections
        id: String,
    },
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let (client, connection) = (options.connection.client()?, &options.connection);
    match options.action.unwrap_or(Action::List { limit: None, key: None }) {
        Action::List { limit, key } => {
            let key = match key {
                Some(key) => Some(keys::whole(&client, &key).await?),
                None => None,
            };
            let answer = client.sessions(limit, key).await?;
            report(connection, &answer, &listed(&answer.value.sessions, now()))
        }
        Action::Show { id } => {
            let answer = client.session(&whole(&client, &id).await?).await?;
            report(connection, &answer, &shown(&answer.value, now()))
        }
        Action::End { id } => {
            let answer = client.end_session(&whole(&client, &id).await?).await?;
            report(connection, &answer, &format!("ended {}", summary(&answer.value)))
        }
    }
}

fn listed(sessions: &[SessionReceipt], now: Duration) -> String {
    if sessions.is_empty() {
        return "there was no session yet".to_owned();
    }
    let columns = [
        Column::left("session"),
        Column::left("opened"),
        Column::left("key"),
        Column::left("model"),
        Column::right("seconds"),
        Column::right("credits"),
        Column::left("ended"),
    ];
    let row = |session: &SessionReceipt| {
        let opened = session.connections.first().map(|first| since(first.opened_at, now));
        let model = session.connections.last().map(|last| clean(&last.model));
        [
            short_text(&clean(&session.session)),
            opened.unwrap_or_default(),
            keys::short(&session.key),
            model.unwrap_or_default(),
            grouped(session.seconds),
            clean(&session.credits),
            state(session),
        ]
    };
    table(&columns, &sessions.iter().map(row).collect::<Vec<_>>())
}

fn shown(session: &SessionReceipt, now: Duration) -> String {
    let columns = [
        Column::left("connection"),
        Column::left("opened"),
        Column::right("open for"),
        Column::left("model"),
        Column::right("seconds"),
        Column::right("credits"),
        Column::left("ended"),
    ];
    let row = |connection: &ConnectionReceipt| {
        let until = connection.ended_at.unwrap_or_else(|| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        [
            short_text(&clean(&connection.connection)),
            since(connection.opened_at, now),
            duration(until.saturating_sub(connection.opened_at)),
            clean(&connection.model),
            grouped(connection.seconds),
            clean(&connection.credits),
            connection.reason.as_deref().map_or_else(|| "open".to_owned(), clean),
        ]
    };
    let connections = table(&columns, &session.connections.iter().map(row).collect::<Vec<_>>());
    format!("{}, paid by {}\n\n{connections}", summary(session), keys::short(&session.key))
}

fn summary(session: &SessionReceipt) -> String {
    let id = short_text(&clean(&session.session));
    let settled = if session.settled { "" } else { "; not settled yet" };
    let seconds = if session.seconds == 1 { "second" } else { "seconds" };
    format!("{id}: {} {seconds}, {} credits{settled}", grouped(session.seconds), clean(&session.credits))
}

fn state(session: &SessionReceipt) -> String {
    match (&session.reason, session.settled) {
        (Some(reason), true) => clean(reason),
        (None, true) => String::new(),
        (_, false) => "open".to_owned(),
    }
}

fn since(at: u64, now: Duration) -> String {
    ago(now.saturating_sub(Duration::from_millis(at)))
}

/// The whole id of the session or connection whose id begins like that, if there is just one.
async fn whole(client: &Client, start: &str) -> Result<String, Failure> {
    if start.len() >= 32 {
        return Ok(start.to_owned());
    }
    choose(start, client.sessions(Some(ALL), None).await?.value.sessions)
}

fn choose(start: &str, sessions: Vec<SessionReceipt>) -> Result<String, Failure> {
    let begins = |session: &SessionReceipt| {
        let mut ids = session.connections.iter().map(|connection| &connection.connection);
        session.session.starts_with(start) || ids.any(|id| id.starts_with(start))
    };
    let found: Vec<SessionReceipt> = sessions.into_iter().filter(begins).collect();
    match &found[..] {
        [only] => Ok(only.session.clone()),
        [] => Err(Failure::coded(
            format!("no session's id begins with `{start}`; `dispatch sessions` shows the newest of them"),
            "unknown-session",
        )),
        several => Err(Failure::Said {
            message: format!(
                "the ids of {} sessions begin with `{start}`; write more of the one that you mean",
                several.len()
            ),
            code: Some("ambiguous-session".to_owned()),
            details: several.iter().map(summary).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(id: &str, ended: Option<(u64, &str)>) -> ConnectionReceipt {
        ConnectionReceipt {
            connection: id.to_owned(),
            model: "mirage".to_owned(),
            opened_at: 1000,
            ended_at: ended.map(|(at, _)| at),
            reason: ended.map(|(_, reason)| reason.to_owned()),
            seconds: 2,
            credits: "0.04".to_owned(),
        }
    }

    fn session(id: &str, connections: Vec<ConnectionReceipt>) -> SessionReceipt {
        let reason = connections.last().and_then(|last| last.reason.clone());
        SessionReceipt {
            session: id.to_owned(),
            key: "local".to_owned(),
            seconds: 2 * connections.len() as u64,
            credits: "0.08".to_owned(),
            settled: reason.is_some(),
            connections,
            reason,
        }
    }

    #[test]
    fn sessions_are_a_table_and_so_are_their_connections() {
        let ended = session("0123456789", vec![connection("c1", Some((3500, "disconnect")))]);
        let open =
            session("1123456789", vec![connection("c2", Some((3500, "error"))), connection("c3", None)]);
        let now = Duration::from_secs(61);
        let expected = "\
session   opened     key    model   seconds  credits  ended
01234567  1 min ago  local  mirage        2     0.08  disconnect
11234567  1 min ago  local  mirage        4     0.08  open";
        assert_eq!(listed(&[ended, open.clone()], now), expected);
        assert_eq!(listed(&[], now), "there was no session yet");
        let expected = "\
11234567: 4 seconds, 0.08 credits; not settled yet, paid by local

connection  opened      open for  model   seconds  credits  ended
c2          1 min ago      2.5 s  mirage        2     0.04  error
c3          1 min ago  1 min 0 s  mirage        2     0.04  open";
        assert_eq!(shown(&open, now), expected);
    }

    #[test]
    fn one_session_is_meant_or_none() {
        let sessions = || {
            vec![session("ab1", vec![connection("c1", None)]), session("ab2", vec![connection("c2", None)])]
        };
        for (start, id) in [("ab1", "ab1"), ("c2", "ab2")] {
            assert_eq!(choose(start, sessions()), Ok(id.to_owned()), "{start}");
        }
        let unknown = "no session's id begins with `x`; `dispatch sessions` shows the newest of them";
        assert_eq!(choose("x", sessions()), Err(Failure::coded(unknown, "unknown-session")));
        assert_eq!(
            choose("c", sessions()),
            Err(Failure::Said {
                message: "the ids of 2 sessions begin with `c`; write more of the one that you mean"
                    .to_owned(),
                code: Some("ambiguous-session".to_owned()),
                details: ["ab1", "ab2"]
                    .map(|id| format!("{id}: 2 seconds, 0.08 credits; not settled yet"))
                    .to_vec(),
            })
        );
    }
}
