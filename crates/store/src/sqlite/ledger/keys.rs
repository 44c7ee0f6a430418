//! Keys, client tokens, and who pays for a turn.

use meter::{Account, ClientToken, Credits, Funds, Key, KeyId, Payer, SecretHash};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::fault::Fault;
use super::super::log::Log;
use super::super::row;
use super::super::schema::signed;
use super::refused;
use super::rows::{self, Kind, New};
use crate::ledger::{TOKEN_GRACE_MS, other_deposit, taken};
use crate::{BeginTurn, Begun, Deposit, Error, NewKey};

/// What [`key`] reads, from column 0 on.
macro_rules! select_key {
    ($rest:literal) => {
        concat!("SELECT id, name, created_at, revoked_at, funds, balance, held FROM keys ", $rest)
    };
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: KeyId::new(row.get::<_, String>(0)?),
        name: row.get(1)?,
        created_at: row::number(row, 2)?,
        revoked_at: row::optional_number(row, 3)?,
        funds: funds(row, 4)?,
        balance: rows::credits(row, 5)?,
        held: rows::credits(row, 6)?,
    })
}

fn funds_name(funds: Funds) -> &'static str {
    match funds {
        Funds::Prepaid => "prepaid",
        Funds::Unlimited => "unlimited",
    }
}

pub(super) fn funds(row: &Row<'_>, column: usize) -> rusqlite::Result<Funds> {
    let name = row.get_ref(column)?.as_str()?;
    [Funds::Prepaid, Funds::Unlimited]
        .into_iter()
        .find(|funds| funds_name(*funds) == name)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(column, "funds".to_owned(), Type::Text))
}

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<Key>> {
    conn.prepare_cached(select_key!("ORDER BY key"))?.query_map([], key)?.collect()
}

pub(super) fn by_id(conn: &Connection, id: &KeyId) -> rusqlite::Result<Option<Key>> {
    conn.prepare_cached(select_key!("WHERE id = ?"))?.query_row([id.as_str()], key).optional()
}

pub(super) fn by_hash(conn: &Connection, hash: &SecretHash) -> rusqlite::Result<Option<Key>> {
    conn.prepare_cached(select_key!("WHERE hash = ? AND revoked_at IS NULL"))?
        .query_row([hash.as_bytes()], key)
        .optional()
}

pub(super) fn token(conn: &Connection, hash: SecretHash) -> rusqlite::Result<Option<ClientToken>> {
    conn.prepare_cached(
        "SELECT k.id, t.issued_at, t.limits FROM client_tokens t JOIN keys k ON k.key = t.payer
         WHERE t.hash = ? AND k.revoked_at IS NULL",
    )?
    .query_row([hash.as_bytes()], |row| {
        let limits = serde_json::from_str(row.get_ref(2)?.as_str()?)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?;
        Ok(ClientToken {
            hash,
            key: KeyId::new(row.get::<_, String>(0)?),
            issued_at: row::number(row, 1)?,
            limits,
        })
    })
    .optional()
}

/// The key of a key.
pub(super) fn number(conn: &Connection, id: &KeyId) -> Result<i64, Fault> {
    conn.prepare_cached("SELECT key FROM keys WHERE id = ?")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| refused(Error::NoSuchKey))
}

pub(super) fn account(conn: &Connection, key: i64) -> Result<Account, Fault> {
    Ok(conn
        .prepare_cached("SELECT funds, balance, held, revoked_at IS NOT NULL FROM keys WHERE key = ?")?
        .query_row([key], |row| {
            Ok(Account {
                funds: funds(row, 0)?,
                balance: rows::credits(row, 1)?,
                held: rows::credits(row, 2)?,
                is_revoked: row.get(3)?,
            })
        })?)
}

/// Writes down what has changed of an account: nothing else of it changes by itself.
pub(super) fn save(conn: &Connection, key: i64, account: &Account) -> Result<(), Fault> {
    let Account { funds: _, balance, held, is_revoked: _ } = account;
    conn.prepare_cached("UPDATE keys SET balance = ?2, held = ?3 WHERE key = ?1")?.execute(params![
        key,
        balance.micros(),
        held.micros()
    ])?;
    Ok(())
}

impl Log {
    pub(super) fn create_key(&mut self, new: &NewKey) -> Result<Key, Fault> {
        let NewKey { id, name, hash, funds, at } = new;
        let conn = self.connection();
        let is_taken: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE id = ? OR hash = ?)")?
            .query_row(params![id.as_str(), hash.as_bytes()], |row| row.get(0))?;
        if is_taken {
            return Err(refused(taken("a key of that id or secret")));
        }
        conn.prepare_cached("INSERT INTO keys (id, name, hash, funds, created_at) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![id.as_str(), name, hash.as_bytes(), funds_name(*funds), signed(*at)])?;
        Ok(Key {
            id: id.clone(),
            name: name.clone(),
            created_at: *at,
            revoked_at: None,
            funds: *funds,
            balance: Credits::ZERO,
            held: Credits::ZERO,
        })
    }

    pub(super) fn revoke_key(&mut self, id: &KeyId, at: u64) -> Result<bool, Fault> {
        let revoked = self
            .connection()
            .prepare_cached(
                "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 AND hash IS NOT NULL",
            )?
            .execute(params![id.as_str(), signed(at)])?;
        Ok(revoked > 0)
    }

    pub(super) fn credit_key(&mut self, deposit: &Deposit) -> Result<Key, Fault> {
        let Deposit { id, key, amount, note, at } = deposit;
        let conn = self.connection();
        let payer = number(conn, key)?;
        let known = conn
            .prepare_cached(
                "SELECT l.payer, l.change FROM deposits d
                 JOIN ledger l ON l.subject = d.key AND l.kind = ?2 AND l.n = 0 WHERE d.id = ?1",
            )?
            .query_row(params![id.as_str(), Kind::Credit.number()], |row| {
                Ok((row.get::<_, i64>(0)?, rows::credits(row, 1)?))
            })
            .optional()?;
        match known {
            Some(known) if known != (payer, *amount) => return Err(refused(other_deposit(id))),
            Some(_) => {}
            None => {
                let mut account = account(conn, payer)?;
                account.credit(*amount).map_err(refused)?;
                conn.prepare_cached("INSERT INTO deposits (id, note) VALUES (?, ?)")?
                    .execute([id.as_str(), note])?;
                let subject = conn.last_insert_rowid();
                save(conn, payer, &account)?;
                let row = New { kind: Kind::Credit, subject, n: 0, payer, change: *amount, at: *at };
                rows::insert(conn, &row)?;
            }
        }
        by_id(conn, key)?.ok_or_else(|| refused(Error::NoSuchKey))
    }

    pub(super) fn create_token(&mut self, token: &ClientToken) -> Result<(), Fault> {
        let conn = self.connection();
        let payer = number(conn, &token.key)?;
        if account(conn, payer)?.is_revoked {
            return Err(refused(Error::NoSuchKey));
        }
        let is_taken: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM client_tokens WHERE hash = ?)")?
            .query_row([token.hash.as_bytes()], |row| row.get(0))?;
        if is_taken {
            return Err(refused(taken("a client token of that secret")));
        }
        let limits = serde_json::to_string(&token.limits)
            .map_err(|error| Fault::Failed(Error::Misfit(error.to_string())))?;
        conn.prepare_cached("DELETE FROM client_tokens WHERE expires_at < ?")?
            .execute([signed(token.issued_at.saturating_sub(TOKEN_GRACE_MS))])?;
        conn.prepare_cached(
            "INSERT INTO client_tokens (hash, payer, issued_at, expires_at, limits) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            token.hash.as_bytes(),
            payer,
            signed(token.issued_at),
            signed(token.expires_at()),
            limits,
        ])?;
        Ok(())
    }

    pub(super) fn begin_paid_turn(&mut self, begin: &BeginTurn, payer: &Payer) -> Result<Begun, Fault> {
        let key = number(self.connection(), &payer.key)?;
        account(self.connection(), key)?.admit_turn(&payer.price).map_err(refused)?;
        let begun = self.begin_turn(begin)?;
        self.connection()
            .prepare_cached(
                "INSERT INTO paid_turns (turn, payer, conversation, input_tokens, output_tokens, cached_tokens)
                 SELECT key, ?2, ?3, ?4, ?5, ?6 FROM turns WHERE id = ?1",
            )?
            .execute(params![
                begin.turn.as_str(),
                key,
                begin.conversation.as_str(),
                payer.price.per_million_input_tokens.credits().micros(),
                payer.price.per_million_output_tokens.credits().micros(),
                payer.price.per_million_cached_tokens.map(|rate| rate.credits().micros()),
            ])?;
        Ok(begun)
    }
}
