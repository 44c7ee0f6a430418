//! `dispatch keys`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use meter::Credits;
use wire::account::{ApiKey, CreateKeyRequest, CreditKeyRequest, KeyFunds, KeyResponse};

use super::report;
use crate::cli::Connection;
use crate::failure::Failure;
use crate::render::{Column, ago, clean, now, table};
use client::Client;

/// What the ids of keys begin with, apart from that of the operator's own.
const PREFIX: &str = "key_";

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key; its secret is printed this once
    Create(Create),
    /// List the keys
    List,
    /// Show what a key has left and what it has spent
    Show {
        /// The key; default: the one that is used
        id: Option<String>,
    },
    /// Revoke a key: it begins nothing from then on
    Revoke {
        /// The key
        id: String,
    },
    /// Add to a key's balance
    Credit(Credit),
}

#[derive(Args)]
struct Create {
    /// What it is for
    #[arg(long)]
    name: Option<String>,

    /// What its balance begins with; default: nothing
    #[arg(long, value_name = "CREDITS")]
    credits: Option<Credits>,

    /// It never runs out: its balance says what it owes
    #[arg(long, conflicts_with = "credits")]
    unlimited: bool,
}

#[derive(Args)]
struct Credit {
    /// The key
    id: String,

    /// How many credits; below zero, so many are taken off
    #[arg(allow_negative_numbers = true)]
    amount: Credits,

    /// Names the deposit: doing it again with the same id adds nothing
    #[arg(long, value_name = "ID")]
    deposit: Option<String>,

    /// Something to remember it by
    #[arg(long)]
    note: Option<String>,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let (client, connection) = (options.connection.client()?, &options.connection);
    match options.action {
        Action::Create(wishes) => create(connection, &client, wishes).await,
        Action::List => {
            let answer = client.keys().await?;
            report(connection, &answer, &listed(&answer.value.keys, now()))
        }
        Action::Show { id } => {
            let id = match id {
                Some(id) => Some(whole(&client, &id).await?),
                None => None,
            };
            let answer = client.read_key(id.as_deref()).await?;
            report(connection, &answer, &shown(&answer.value, now()))
        }
        Action::Revoke { id } => {
            let id = whole(&client, &id).await?;
            let answer = client.revoke_key(&id).await?;
            report(connection, &answer, &format!("revoked {}", named(&answer.value)))
        }
        Action::Credit(Credit { id, amount, deposit, note }) => {
            let id = whole(&client, &id).await?;
            // With an id of its own, it can be sent again when the connection breaks.
            let deposit = deposit.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            let deposit = CreditKeyRequest { credits: amount.to_string(), deposit_id: Some(deposit), note };
            let answer = client.credit_key(&id, &deposit).await?;
            let key = &answer.value;
            report(connection, &answer, &format!("{} has {} credits", named(key), clean(&key.balance)))
        }
    }
}

/// The secret alone goes to standard output, for whoever takes it from there.
async fn create(connection: &Connection, client: &Client, wishes: Create) -> Result<ExitCode, Failure> {
    let Create { name, credits, unlimited } = wishes;
    let wishes = CreateKeyRequest {
        name,
        credits: credits.map(|credits| credits.to_string()),
        unlimited: unlimited.then_some(true),
    };
    let answer = client.create_key(&wishes).await?;
    let done = report(connection, &answer, &clean(&answer.value.secret))?;
    if !connection.json {
        let said = format!("[key] {}; its secret is shown this once", named(&answer.value.key));
        writeln!(std::io::stderr(), "{said}")?;
    }
    Ok(done)
}

fn listed(keys: &[ApiKey], now: Duration) -> String {
    let columns = [
        Column::left("key"),
        Column::right("balance"),
        Column::right("held"),
        Column::left("made"),
        Column::left(""),
        Column::left("name"),
    ];
    let ago = |at: u64| ago(now.saturating_sub(Duration::from_millis(at)));
    let row = |key: &ApiKey| {
        let state = match (key.revoked_at, key.funds) {
            (Some(at), _) => format!("revoked {}", ago(at)),
            (None, KeyFunds::Unlimited) => "unlimited".to_owned(),
            (None, KeyFunds::Prepaid) => String::new(),
        };
        let made = if key.created_at == 0 { String::new() } else { ago(key.created_at) };
        [short(&key.id), clean(&key.balance), clean(&key.held), made, state, clean(&key.name)]
    };
    table(&columns, &keys.iter().map(row).collect::<Vec<_>>())
}

fn shown(KeyResponse { key, spent }: &KeyResponse, now: Duration) -> String {
    let mut text = named(key);
    match key.funds {
        KeyFunds::Unlimited => text.push_str(": unlimited"),
        KeyFunds::Prepaid => text.push_str(&format!(": {} credits", clean(&key.balance))),
    }
    if key.held != "0" {
        text.push_str(&format!(", {} of them held", clean(&key.held)));
    }
    text.push_str(&format!("; {} spent", clean(spent)));
    if let Some(at) = key.revoked_at {
        text.push_str(&format!("; revoked {}", ago(now.saturating_sub(Duration::from_millis(at)))));
    }
    text
}

fn named(key: &ApiKey) -> String {
    match key.name.as_str() {
        "" => short(&key.id),
        name => format!("{} ({})", short(&key.id), clean(name)),
    }
}

/// A key's id as lists show it.
pub(super) fn short(id: &str) -> String {
    clean(id).chars().take(PREFIX.len() + 8).collect()
}

/// The whole id of the key whose id begins like that, with or without what all begin with, if there is just one.
pub(super) async fn whole(client: &Client, start: &str) -> Result<String, Failure> {
    if start.len() == PREFIX.len() + 32 {
        return Ok(start.to_owned());
    }
    choose(start, client.keys().await?.value.keys)
}

fn choose(start: &str, keys: Vec<ApiKey>) -> Result<String, Failure> {
    let begins = |key: &ApiKey| {
        let rest = key.id.strip_prefix(PREFIX).unwrap_or(&key.id);
        key.id.starts_with(start) || rest.starts_with(start)
    };
    let found: Vec<ApiKey> = keys.into_iter().filter(begins).collect();
    match &found[..] {
        [only] => Ok(only.id.clone()),
        [] => Err(Failure::coded(
            format!("no key's id begins with `{start}`; `dispatch keys list` shows all of them"),
            "unknown-key",
        )),
        several => match several.iter().find(|key| key.id == start) {
            Some(same) => Ok(same.id.clone()),
            None => Err(Failure::Said {
                message: format!(
                    "the ids of {} keys begin with `{start}`; write more of the one that you mean",
                    several.len()
                ),
                code: Some("ambiguous-key".to_owned()),
                details: several.iter().map(named).collect(),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, name: &str) -> ApiKey {
        ApiKey {
            id: id.to_owned(),
            name: name.to_owned(),
            created_at: 1,
            revoked_at: None,
            funds: KeyFunds::Prepaid,
            balance: "12.5".to_owned(),
            held: "0".to_owned(),
        }
    }

    #[test]
    fn keys_are_a_table() {
        let keys = [
            ApiKey {
                created_at: 0,
                funds: KeyFunds::Unlimited,
                balance: "-1".to_owned(),
                ..key("local", "")
            },
            key("key_0123456789abcdef", "the shop"),
            ApiKey { revoked_at: Some(60_000), ..key("key_1123456789abcdef", "old\u{1b}[31m") },
        ];
        let expected = "\
key           balance  held  made                          name
local              -1     0             unlimited
key_01234567     12.5     0  2 min ago                     the shop
key_11234567     12.5     0  2 min ago  revoked 2 min ago  old";
        assert_eq!(listed(&keys, Duration::from_secs(180)), expected);
    }

    #[test]
    fn a_key_says_what_it_has_left() {
        let said = |key: ApiKey| {
            let spent = "87.5".to_owned();
            shown(&KeyResponse { key, spent }, Duration::from_secs(180))
        };
        let shop = key("key_0123456789abcdef", "the shop");
        assert_eq!(said(shop.clone()), "key_01234567 (the shop): 12.5 credits; 87.5 spent");
        let busy = ApiKey { held: "0.02".to_owned(), revoked_at: Some(60_000), ..shop };
        let expected =
            "key_01234567 (the shop): 12.5 credits, 0.02 of them held; 87.5 spent; revoked 2 min ago";
        assert_eq!(said(busy), expected);
        let local = ApiKey { funds: KeyFunds::Unlimited, balance: "-87.5".to_owned(), ..key("local", "") };
        assert_eq!(said(local), "local: unlimited; 87.5 spent");
    }

    #[test]
    fn one_key_is_meant_or_none() {
        let keys = || vec![key("local", ""), key("key_ab1", "One"), key("key_ab2", "Two"), key("key_ab", "")];
        for (start, id) in [
            ("local", "local"),
            ("l", "local"),
            ("key_ab1", "key_ab1"),
            ("ab2", "key_ab2"),
            ("key_ab", "key_ab"),
        ] {
            assert_eq!(choose(start, keys()), Ok(id.to_owned()), "{start}");
        }
        assert_eq!(
            choose("x", keys()),
            Err(Failure::coded(
                "no key's id begins with `x`; `dispatch keys list` shows all of them",
                "unknown-key"
            ))
        );
        assert_eq!(
            choose("a", keys()),
            Err(Failure::Said {
                message: "the ids of 3 keys begin with `a`; write more of the one that you mean".to_owned(),
                code: Some("ambiguous-key".to_owned()),
                details: vec!["key_ab1 (One)".to_owned(), "key_ab2 (Two)".to_owned(), "key_ab".to_owned()],
            })
        );
    }
}
