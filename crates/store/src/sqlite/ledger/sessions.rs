//! Sessions, their connections and their seconds.

use meter::{
    Account, ConnectionId, ConnectionReceipt, Credits, Grant, KeyId, Receipt, Running, SecretHash, SessionId,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::fault::Fault;
use super::super::log::Log;
use super::super::row;
use super::super::schema::signed;
use super::rows::{self, Kind, New, Used};
use super::{keys, refused};
use crate::ledger::{INTERRUPTED, other_payer, taken, unknown_connection};
use crate::{Error, OpenConnection, Resumable, SessionPrompt};

/// A connection and who pays for it.
struct Found {
    key: i64,
    payer: i64,
    model: String,
    running: Running,
    account: Account,
}

impl Found {
    fn load(conn: &Connection, id: &ConnectionId) -> Result<Self, Fault> {
        conn.prepare_cached(
            "SELECT c.key, s.payer, c.model, c.per_second, c.seconds, c.holds, c.ended_at IS NOT NULL,
             k.funds, k.balance, k.held, k.revoked_at IS NOT NULL
             FROM connections c JOIN sessions s ON s.key = c.session JOIN keys k ON k.key = s.payer
             WHERE c.id = ?",
        )?
        .query_row([id.as_str()], |row| {
            Ok(Self {
                key: row.get(0)?,
                payer: row.get(1)?,
                model: row.get(2)?,
                running: Running {
                    per_second: rows::rate(row, 3)?,
                    seconds: row::number(row, 4)?,
                    holds: row.get(5)?,
                    is_over: row.get(6)?,
                },
                account: Account {
                    funds: keys::funds(row, 7)?,
                    balance: rows::credits(row, 8)?,
                    held: rows::credits(row, 9)?,
                    is_revoked: row.get(10)?,
                },
            })
        })
        .optional()?
        .ok_or_else(|| refused(unknown_connection(id)))
    }

    fn save(&self, conn: &Connection) -> Result<(), Fault> {
        keys::save(conn, self.payer, &self.account)?;
        conn.prepare_cached("UPDATE connections SET seconds = ?2, holds = ?3 WHERE key = ?1")?
            .execute(params![self.key, signed(self.running.seconds), self.running.holds])?;
        Ok(())
    }
}

impl Log {
    pub(super) fn open_connection(&mut self, open: &OpenConnection) -> Result<(), Fault> {
        let OpenConnection { session: session_id, connection, key, model, per_second, token, at } = open;
        let conn = self.connection();
        let payer = keys::number(conn, key)?;
        let mut account = keys::account(conn, payer)?;
        let session = conn
            .prepare_cached("SELECT key, payer, ended_at IS NOT NULL FROM sessions WHERE id = ?")?
            .query_row([session_id.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
            })
            .optional()?;
        if let Some((_, other, is_over)) = session {
            if other != payer {
                return Err(refused(other_payer(session_id)));
            }
            if is_over {
                return Err(refused(Error::SessionEnded));
            }
        }
        let is_taken: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM connections WHERE id = ?)")?
            .query_row([connection.as_str()], |row| row.get(0))?;
        if is_taken {
            return Err(refused(taken("a connection of that id")));
        }
        Running::open(&mut account, *per_second).map_err(refused)?;
        keys::save(conn, payer, &account)?;
        let session = match session {
            Some((session, ..)) => session,
            None => {
                conn.prepare_cached("INSERT INTO sessions (id, payer) VALUES (?, ?)")?
                    .execute(params![session_id.as_str(), payer])?;
                conn.last_insert_rowid()
            }
        };
        conn.prepare_cached(
            "INSERT INTO connections (session, id, model, per_second, token, opened_at) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            session,
            connection.as_str(),
            model,
            per_second.credits().micros(),
            token.as_ref().map(SecretHash::as_bytes),
            signed(*at)
        ])?;
        Ok(())
    }

    pub(super) fn grant_second(&mut self, id: &ConnectionId, n: u64, at: u64) -> Result<Grant, Fault> {
        let conn = self.connection();
        let mut found = Found::load(conn, id)?;
        let before = (found.running, found.account);
        let grant = found.running.grant(&mut found.account, n).map_err(refused)?;
        if (found.running, found.account) != before {
            found.save(conn)?;
        }
        if grant.is_new {
            let Found { key: subject, payer, ref model, running, .. } = found;
            let credits = running.per_second.credits();
            let change = Credits::from_micros(credits.micros().saturating_neg());
            rows::insert(conn, &New { kind: Kind::Second, subject, n, payer, change, at })?;
            rows::add_usage(conn, payer, at, &Used { model, seconds: 1, credits, ..Used::default() })?;
        }
        Ok(grant)
    }

    pub(super) fn end_connection(&mut self, id: &ConnectionId, at: u64, reason: &str) -> Result<(), Fault> {
        let conn = self.connection();
        let mut found = Found::load(conn, id)?;
        if found.running.is_over {
            return Ok(());
        }
        found.running.end(&mut found.account).map_err(refused)?;
        found.save(conn)?;
        conn.prepare_cached("UPDATE connections SET ended_at = ?2, reason = ?3 WHERE key = ?1")?
            .execute(params![found.key, signed(at), reason])?;
        let row = New {
            kind: Kind::Ended,
            subject: found.key,
            n: 0,
            payer: found.payer,
            change: Credits::ZERO,
            at,
        };
        rows::insert(conn, &row)
    }

    /// Ends all connections that are open, as the first thing after opening.
    pub(in crate::sqlite) fn end_left_open(&mut self, now: u64) -> Result<(), Fault> {
        let left: Vec<String> = self
            .connection()
            .prepare("SELECT id FROM connections WHERE ended_at IS NULL ORDER BY key")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(count = left.len(), "connections that were open are settled");
        self.begin()?;
        for id in left {
            self.end_connection(&ConnectionId::new(id), now, INTERRUPTED)?;
        }
        self.commit()
    }

    pub(super) fn keep_prompt(
        &mut self,
        id: &SessionId,
        prompt: Option<&SessionPrompt>,
    ) -> Result<(), Fault> {
        self.connection()
            .prepare_cached(
                "UPDATE sessions SET prompt = ?2, enhance = ?3 WHERE id = ?1 AND ended_at IS NULL",
            )?
            .execute(params![
                id.as_str(),
                prompt.map(|prompt| &prompt.text),
                prompt.is_some_and(|prompt| prompt.enhance)
            ])?;
        Ok(())
    }

    pub(super) fn keep_image(&mut self, id: &SessionId, image: Option<&[u8]>) -> Result<(), Fault> {
        let conn = self.connection();
        match image {
            Some(image) => conn
                .prepare_cached(
                    "INSERT INTO session_images (session, image)
                     SELECT key, ?2 FROM sessions WHERE id = ?1 AND ended_at IS NULL
                     ON CONFLICT DO UPDATE SET image = excluded.image",
                )?
                .execute(params![id.as_str(), image])?,
            None => conn
                .prepare_cached(
                    "DELETE FROM session_images WHERE session = (SELECT key FROM sessions WHERE id = ?)",
                )?
                .execute([id.as_str()])?,
        };
        Ok(())
    }

    pub(super) fn end_session(&mut self, id: &SessionId, at: u64) -> Result<bool, Fault> {
        let found = self
            .connection()
            .prepare_cached("SELECT key FROM sessions WHERE id = ?")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(session) = found else { return Ok(false) };
        end(self.connection(), session, at)?;
        Ok(true)
    }

    pub(super) fn end_sessions_idle_since(&mut self, before: u64, at: u64) -> Result<u64, Fault> {
        let conn = self.connection();
        let idle: Vec<i64> = conn
            .prepare_cached(
                "SELECT key FROM sessions s WHERE ended_at IS NULL AND NOT EXISTS (
                 SELECT 1 FROM connections c WHERE c.session = s.key AND (c.ended_at IS NULL OR c.ended_at >= ?))",
            )?
            .query_map([signed(before)], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for session in &idle {
            end(conn, *session, at)?;
        }
        Ok(idle.len() as u64)
    }
}

fn end(conn: &Connection, session: i64, at: u64) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE sessions SET ended_at = coalesce(ended_at, ?2), prompt = NULL, enhance = 0
         WHERE key = ?1",
    )?
    .execute(params![session, signed(at)])?;
    conn.prepare_cached("DELETE FROM session_images WHERE session = ?")?.execute([session])?;
    Ok(())
}

pub(super) fn resumable(conn: &Connection, id: &ConnectionId) -> rusqlite::Result<Option<Resumable>> {
    conn.prepare_cached(
        "SELECT s.id, k.id, s.prompt, s.enhance, i.image,
         (SELECT c.model FROM connections c WHERE c.session = s.key ORDER BY c.key DESC LIMIT 1)
         FROM connections o JOIN sessions s ON s.key = o.session JOIN keys k ON k.key = s.payer
         LEFT JOIN session_images i ON i.session = s.key
         WHERE o.id = ? AND s.ended_at IS NULL AND k.revoked_at IS NULL",
    )?
    .query_row([id.as_str()], |row| {
        let enhance = row.get(3)?;
        Ok(Resumable {
            session: SessionId::new(row.get::<_, String>(0)?),
            key: KeyId::new(row.get::<_, String>(1)?),
            model: row.get(5)?,
            prompt: row.get::<_, Option<String>>(2)?.map(|text| SessionPrompt { text, enhance }),
            image: row.get(4)?,
        })
    })
    .optional()
}

pub(super) fn newest(conn: &Connection, key: Option<&KeyId>, limit: u64) -> rusqlite::Result<Vec<Receipt>> {
    let sql = match key {
        Some(_) => {
            "SELECT s.key, s.id, k.id FROM keys k JOIN sessions s ON s.payer = k.key
             WHERE k.id = ?1 ORDER BY s.key DESC LIMIT ?2"
        }
        None => {
            "SELECT s.key, s.id, k.id FROM sessions s JOIN keys k ON k.key = s.payer
             WHERE ?1 IS NULL ORDER BY s.key DESC LIMIT ?2"
        }
    };
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(params![key.map(KeyId::as_str), signed(limit)])?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        receipts.extend(receipt_of(conn, row)?);
    }
    Ok(receipts)
}

pub(super) fn is_opened_by(
    conn: &Connection,
    session: &SessionId,
    token: SecretHash,
) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM connections c JOIN sessions s ON s.key = c.session
         WHERE s.id = ? AND c.token = ?)",
    )?
    .query_row(params![session.as_str(), token.as_bytes()], |row| row.get(0))
}

pub(super) fn receipt(conn: &Connection, id: &str) -> rusqlite::Result<Option<Receipt>> {
    conn.prepare_cached(
        "SELECT s.key, s.id, k.id FROM sessions s JOIN keys k ON k.key = s.payer WHERE s.key = coalesce(
         (SELECT key FROM sessions WHERE id = ?1), (SELECT session FROM connections WHERE id = ?1))",
    )?
    .query_row([id], |row| receipt_of(conn, row))
    .optional()
    .map(Option::flatten)
}

/// Of the session whose key is in the first column, its id in the second, and its key's in the third. None if its sums
/// are beyond what can be counted.
fn receipt_of(conn: &Connection, session: &Row<'_>) -> rusqlite::Result<Option<Receipt>> {
    let connections: Option<Vec<ConnectionReceipt>> = conn
        .prepare_cached(
            "SELECT id, model, opened_at, ended_at, reason, seconds, per_second FROM connections
             WHERE session = ? ORDER BY key",
        )?
        .query_map([session.get::<_, i64>(0)?], |row| {
            let seconds = row::number(row, 5)?;
            let Some(credits) = rows::credits(row, 6)?.checked_mul(seconds) else { return Ok(None) };
            Ok(Some(ConnectionReceipt {
                connection: ConnectionId::new(row.get::<_, String>(0)?),
                model: row.get(1)?,
                opened_at: row::number(row, 2)?,
                ended_at: row::optional_number(row, 3)?,
                reason: row.get(4)?,
                seconds,
                credits,
            }))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let (id, key) = (session.get::<_, String>(1)?, session.get::<_, String>(2)?);
    let receipt =
        connections.and_then(|connections| Receipt::of(SessionId::new(id), KeyId::new(key), connections));
    if receipt.is_none() {
        tracing::error!(session = %session.get::<_, String>(1)?, "the sum of a session is beyond what can be counted");
    }
    Ok(receipt)
}
