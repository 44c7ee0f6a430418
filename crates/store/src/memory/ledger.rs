//! The ledger in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use meter::{
    Account, ClientToken, ConnectionId, ConnectionReceipt, Credits, DailyUsage, Day, DepositId, Entry, Event,
    Grant, Key, KeyId, Payer, Receipt, Running, SecretHash, SessionId,
};
use wire::{ConversationId, StepMetrics, TurnId};

use super::Memory;
use crate::ledger::{
    INTERRUPTED, TOKEN_GRACE_MS, beyond, other_deposit, other_payer, overflow, taken, unknown_connection,
};
use crate::{BeginTurn, Begun, Deposit, Error, Ledger, NewKey, OpenConnection, Resumable, SessionPrompt};

/// Keys are named by their places in `keys`, sessions and connections by theirs.
#[derive(Debug)]
pub(super) struct Books {
    keys: Vec<(Key, Option<SecretHash>)>,
    tokens: HashMap<SecretHash, ClientToken>,
    sessions: Vec<Session>,
    connections: Vec<Connection>,
    paid_turns: HashMap<TurnId, PaidTurn>,
    deposits: HashMap<DepositId, (usize, Credits)>,
    /// The ledger.
    rows: Vec<Event>,
    /// Keys by their places, in that order.
    usage: BTreeMap<(Day, usize, String), DailyUsage>,
    exported: HashMap<String, u64>,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    payer: usize,
    prompt: Option<SessionPrompt>,
    image: Option<Vec<u8>>,
    is_over: bool,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    session: usize,
    model: String,
    token: Option<SecretHash>,
    opened_at: u64,
    /// With the reason.
    ended: Option<(u64, String)>,
    running: Running,
}

#[derive(Debug)]
struct PaidTurn {
    payer: Payer,
    conversation: ConversationId,
    model: Option<String>,
}

impl Default for Books {
    fn default() -> Self {
        let local = NewKey {
            id: KeyId::local(),
            name: "this machine".to_owned(),
            hash: SecretHash::from_bytes([0; 32]),
            funds: meter::Funds::Unlimited,
            at: 0,
        };
        Self {
            keys: vec![(new_key(&local), None)],
            tokens: HashMap::new(),
            sessions: Vec::new(),
            connections: Vec::new(),
            paid_turns: HashMap::new(),
            deposits: HashMap::new(),
            rows: Vec::new(),
            usage: BTreeMap::new(),
            exported: HashMap::new(),
        }
    }
}

fn new_key(new: &NewKey) -> Key {
    Key {
        id: new.id.clone(),
        name: new.name.clone(),
        created_at: new.at,
        revoked_at: None,
        funds: new.funds,
        balance: Credits::ZERO,
        held: Credits::ZERO,
    }
}

impl Books {
    /// The place of a key.
    fn place(&self, id: &KeyId) -> Result<usize, Error> {
        self.keys.iter().position(|(key, _)| key.id == *id).ok_or(Error::NoSuchKey)
    }

    fn is_usable(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|(key, _)| key.id == *id && key.revoked_at.is_none())
    }

    fn save(&mut self, payer: usize, account: &Account) {
        let (key, _) = &mut self.keys[payer];
        key.balance = account.balance;
        key.held = account.held;
    }

    fn insert(&mut self, payer: usize, at: u64, entry: Entry) {
        let position = self.rows.len() as u64 + 1;
        self.rows.push(Event::new(position, at, self.keys[payer].0.id.clone(), entry));
    }

    fn add_usage(&mut self, payer: usize, at: u64, model: &str, add: impl FnOnce(&mut DailyUsage)) {
        let day = Day::of(at);
        let key = self.keys[payer].0.id.clone();
        add(self.usage.entry((day, payer, model.to_owned())).or_insert_with(|| DailyUsage {
            day,
            key,
            model: model.to_owned(),
            seconds: 0,
            steps: 0,
            input_tokens: 0,
            cached_tokens: 0,
            output_tokens: 0,
            credits: Credits::ZERO,
        }));
    }

    fn create_key(&mut self, new: &NewKey) -> Result<Key, Error> {
        if self.keys.iter().any(|(key, hash)| key.id == new.id || *hash == Some(new.hash)) {
            return Err(taken("a key of that id or secret"));
        }
        let key = new_key(new);
        self.keys.push((key.clone(), Some(new.hash)));
        Ok(key)
    }

    fn revoke_key(&mut self, id: &KeyId, at: u64) -> bool {
        match self.keys.iter_mut().find(|(key, hash)| key.id == *id && hash.is_some()) {
            Some((key, _)) => {
                key.revoked_at.get_or_insert(at);
                true
            }
            None => false,
        }
    }

    fn credit_key(&mut self, deposit: Deposit) -> Result<Key, Error> {
        let Deposit { id, key, amount, note, at } = deposit;
        let payer = self.place(&key)?;
        match self.deposits.get(&id) {
            Some(known) if *known != (payer, amount) => return Err(other_deposit(&id)),
            Some(_) => {}
            None => {
                let mut account = self.keys[payer].0.account();
                account.credit(amount)?;
                self.save(payer, &account);
                self.deposits.insert(id.clone(), (payer, amount));
                self.insert(payer, at, Entry::Credit { deposit: id, note, credits: amount });
            }
        }
        Ok(self.keys[payer].0.clone())
    }

    fn create_token(&mut self, token: ClientToken) -> Result<(), Error> {
        if !self.is_usable(&token.key) {
            return Err(Error::NoSuchKey);
        }
        if self.tokens.contains_key(&token.hash) {
            return Err(taken("a client token of that secret"));
        }
        let oldest = token.issued_at.saturating_sub(TOKEN_GRACE_MS);
        self.tokens.retain(|_, kept| kept.expires_at() >= oldest);
        self.tokens.insert(token.hash, token);
        Ok(())
    }

    /// Whether a turn may begin.
    fn admit_turn(&self, payer: &Payer) -> Result<(), Error> {
        Ok(self.keys[self.place(&payer.key)?].0.account().admit_turn(&payer.price)?)
    }

    /// Charges steps of a turn, if somebody pays for it, or fails before anything is changed. The first one's index counts
    /// the steps of the turn from 0.
    pub(super) fn charge_steps(
        &mut self,
        turn: &TurnId,
        first: usize,
        steps: &[StepMetrics],
        at: u64,
    ) -> Result<(), Error> {
        let Some(PaidTurn { payer, conversation, model }) = self.paid_turns.get(turn) else { return Ok(()) };
        let place = self.place(&payer.key)?;
        let mut account = self.keys[place].0.account();
        let mut charged = Vec::new();
        for (step, n) in steps.iter().zip(first as u64..) {
            let credits = payer.price.of_step(&step.usage).ok_or_else(overflow)?;
            account.charge(credits)?;
            let entry = Entry::Step {
                conversation: conversation.clone(),
                turn: turn.clone(),
                n,
                model: model.clone(),
                usage: step.usage,
                credits,
            };
            charged.push((step.usage, credits, entry));
        }
        let model = model.clone().unwrap_or_default();
        self.save(place, &account);
        for (usage, credits, entry) in charged {
            self.add_usage(place, at, &model, |day| {
                // As SQLite keeps numbers.
                let sum = |a: u64, b: u64| a.saturating_add(b).min(i64::MAX as u64);
                day.steps += 1;
                day.input_tokens = sum(day.input_tokens, usage.input_tokens);
                day.cached_tokens = sum(day.cached_tokens, usage.cache_read_tokens.unwrap_or(0));
                day.output_tokens = sum(day.output_tokens, usage.output_tokens);
                day.credits = day.credits.checked_add(credits).unwrap_or(day.credits);
            });
            self.insert(place, at, entry);
        }
        Ok(())
    }

    fn open_connection(&mut self, open: OpenConnection) -> Result<(), Error> {
        let OpenConnection { session, connection, key, model, per_second, token, at } = open;
        let payer = self.place(&key)?;
        let known = self.sessions.iter().position(|known| known.id == session);
        if let Some(known) = known.map(|known| &self.sessions[known]) {
            if known.payer != payer {
                return Err(other_payer(&session));
            }
            if known.is_over {
                return Err(Error::SessionEnded);
            }
        }
        if self.connections.iter().any(|known| known.id == connection) {
            return Err(taken("a connection of that id"));
        }
        let mut account = self.keys[payer].0.account();
        let running = Running::open(&mut account, per_second)?;
        self.save(payer, &account);
        let session = known.unwrap_or_else(|| {
            self.sessions.push(Session { id: session, payer, prompt: None, image: None, is_over: false });
            self.sessions.len() - 1
        });
        self.connections.push(Connection {
            id: connection,
            session,
            model,
            token,
            opened_at: at,
            ended: None,
            running,
        });
        Ok(())
    }

    fn connection(&self, id: &ConnectionId) -> Result<usize, Error> {
        self.connections.iter().position(|known| known.id == *id).ok_or_else(|| unknown_connection(id))
    }

    fn grant_second(&mut self, id: &ConnectionId, n: u64, at: u64) -> Result<Grant, Error> {
        let place = self.connection(id)?;
        let connection = &mut self.connections[place];
        let (payer, session) = {
            let session = &self.sessions[connection.session];
            (session.payer, session.id.clone())
        };
        let mut account = self.keys[payer].0.account();
        let grant = connection.running.grant(&mut account, n)?;
        let (credits, model) = (connection.running.per_second.credits(), connection.model.clone());
        self.save(payer, &account);
        if grant.is_new {
            self.add_usage(payer, at, &model, |day| {
                day.seconds += 1;
                day.credits = day.credits.checked_add(credits).unwrap_or(day.credits);
            });
            self.insert(payer, at, Entry::Second { session, connection: id.clone(), n, model, credits });
        }
        Ok(grant)
    }

    fn end_connection(&mut self, id: &ConnectionId, at: u64, reason: &str) -> Result<(), Error> {
        let place = self.connection(id)?;
        let connection = &mut self.connections[place];
        if connection.ended.is_some() {
            return Ok(());
        }
        let Session { payer, id: session, .. } = &self.sessions[connection.session];
        let (payer, session) = (*payer, session.clone());
        let mut account = self.keys[payer].0.account();
        connection.running.end(&mut account)?;
        connection.ended = Some((at, reason.to_owned()));
        let entry = Entry::Ended {
            session,
            connection: id.clone(),
            model: connection.model.clone(),
            reason: reason.to_owned(),
            seconds: connection.running.seconds,
            credits: connection.running.credits().ok_or_else(overflow)?,
        };
        self.save(payer, &account);
        self.insert(payer, at, entry);
        Ok(())
    }

    /// Ends all connections that are open, as a start after a crash does.
    pub(super) fn end_left_open(&mut self, now: u64) {
        let left = self.connections.iter().filter(|connection| connection.ended.is_none());
        let left: Vec<ConnectionId> = left.map(|connection| connection.id.clone()).collect();
        for id in left {
            if let Err(error) = self.end_connection(&id, now, INTERRUPTED) {
                tracing::error!(%error, connection = %id, "a connection could not be settled");
            }
        }
    }

    fn live_session(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == *id && !session.is_over)
    }

    fn resumable(&self, id: &ConnectionId) -> Option<Resumable> {
        let place = self.connections.iter().find(|connection| connection.id == *id)?.session;
        let session = self.sessions.get(place).filter(|session| !session.is_over)?;
        let (key, _) = &self.keys[session.payer];
        let last = self.connections.iter().rev().find(|connection| connection.session == place)?;
        key.revoked_at.is_none().then(|| Resumable {
            session: session.id.clone(),
            key: key.id.clone(),
            model: last.model.clone(),
            prompt: session.prompt.clone(),
            image: session.image.clone(),
        })
    }

    fn end_sessions_idle_since(&mut self, before: u64) -> u64 {
        let is_idle = |connection: &Connection| connection.ended.as_ref().is_some_and(|(at, _)| *at < before);
        let mut count = 0;
        for (place, session) in self.sessions.iter_mut().enumerate().filter(|(_, session)| !session.is_over) {
            if self.connections.iter().filter(|connection| connection.session == place).all(is_idle) {
                session.end();
                count += 1;
            }
        }
        count
    }

    fn receipt(&self, place: usize) -> Option<Receipt> {
        let session = &self.sessions[place];
        let connections = self.connections.iter().filter(|connection| connection.session == place);
        let connections: Option<Vec<_>> = connections.map(Connection::receipt).collect();
        Receipt::of(session.id.clone(), self.keys[session.payer].0.id.clone(), connections?)
    }

    fn find_receipt(&self, id: &str) -> Option<Receipt> {
        let session = self.sessions.iter().position(|session| session.id.as_str() == id);
        let of_connection = || {
            let found = self.connections.iter().find(|connection| connection.id.as_str() == id);
            found.map(|connection| connection.session)
        };
        self.receipt(session.or_else(of_connection)?)
    }
}

impl Session {
    fn end(&mut self) {
        self.is_over = true;
        self.prompt = None;
        self.image = None;
    }
}

impl Connection {
    fn receipt(&self) -> Option<ConnectionReceipt> {
        Some(ConnectionReceipt {
            connection: self.id.clone(),
            model: self.model.clone(),
            opened_at: self.opened_at,
            ended_at: self.ended.as_ref().map(|(at, _)| *at),
            reason: self.ended.as_ref().map(|(_, reason)| reason.clone()),
            seconds: self.running.seconds,
            credits: self.running.credits()?,
        })
    }
}

impl Memory {
    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&Books) -> T) -> BoxFuture<'static, Result<T, Error>> {
        ready(Ok(ask(&self.state().books))).boxed()
    }
}

impl Ledger for Memory {
    fn create_key(&self, key: NewKey) -> BoxFuture<'_, Result<Key, Error>> {
        self.write(|state| state.books.create_key(&key))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<Key>, Error>> {
        self.ask(|books| books.keys.iter().map(|(key, _)| key.clone()).collect())
    }

    fn key(&self, id: &KeyId) -> BoxFuture<'_, Result<Option<Key>, Error>> {
        self.ask(|books| books.place(id).ok().map(|place| books.keys[place].0.clone()))
    }

    fn find_key(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<Key>, Error>> {
        self.ask(|books| {
            let found = books.keys.iter().find(|(key, of)| *of == Some(hash) && key.revoked_at.is_none());
            found.map(|(key, _)| key.clone())
        })
    }

    fn revoke_key(&self, id: &KeyId, at: u64) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(|state| Ok(state.books.revoke_key(id, at)))
    }

    fn credit_key(&self, deposit: Deposit) -> BoxFuture<'_, Result<Key, Error>> {
        self.write(|state| state.books.credit_key(deposit))
    }

    fn create_token(&self, token: ClientToken) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| state.books.create_token(token))
    }

    fn find_token(&self, hash: SecretHash) -> BoxFuture<'_, Result<Option<ClientToken>, Error>> {
        self.ask(|books| books.tokens.get(&hash).filter(|token| books.is_usable(&token.key)).cloned())
    }

    fn begin_paid_turn(&self, begin: BeginTurn, payer: Payer) -> BoxFuture<'_, Result<Begun, Error>> {
        self.write(|state| {
            state.books.admit_turn(&payer)?;
            let (conversation, turn) = (begin.conversation.clone(), begin.turn.clone());
            let begun = state.begin_turn(begin)?;
            let open = state.find(&conversation).and_then(|stored| stored.open.as_ref());
            let model = open.and_then(|open| open.model.clone());
            state.books.paid_turns.insert(turn, PaidTurn { payer, conversation, model });
            Ok(begun)
        })
    }

    fn open_connection(&self, open: OpenConnection) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| state.books.open_connection(open))
    }

    fn grant_second(
        &self,
        connection: &ConnectionId,
        n: u64,
        at: u64,
    ) -> BoxFuture<'_, Result<Grant, Error>> {
        self.write(|state| state.books.grant_second(connection, n, at))
    }

    fn end_connection(
        &self,
        connection: &ConnectionId,
        at: u64,
        reason: &str,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| state.books.end_connection(connection, at, reason))
    }

    fn keep_prompt(
        &self,
        session: &SessionId,
        prompt: Option<SessionPrompt>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            if let Some(session) = state.books.live_session(session) {
                session.prompt = prompt;
            }
            Ok(())
        })
    }

    fn keep_image(&self, session: &SessionId, image: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            if let Some(session) = state.books.live_session(session) {
                session.image = image;
            }
            Ok(())
        })
    }

    fn resumable(&self, connection: &ConnectionId) -> BoxFuture<'_, Result<Option<Resumable>, Error>> {
        self.ask(|books| books.resumable(connection))
    }

    fn end_session(&self, session: &SessionId, _at: u64) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(|state| {
            let found = state.books.sessions.iter_mut().find(|known| known.id == *session);
            Ok(found.map(Session::end).is_some())
        })
    }

    fn end_sessions_idle_since(&self, before: u64, _at: u64) -> BoxFuture<'_, Result<u64, Error>> {
        self.write(|state| Ok(state.books.end_sessions_idle_since(before)))
    }

    fn sessions(&self, key: Option<KeyId>, limit: u64) -> BoxFuture<'_, Result<Vec<Receipt>, Error>> {
        self.ask(|books| {
            let receipts = (0..books.sessions.len()).rev().filter_map(|place| books.receipt(place));
            let wanted = receipts.filter(|receipt| key.as_ref().is_none_or(|key| receipt.key == *key));
            wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
        })
    }

    fn receipt(&self, id: &str) -> BoxFuture<'_, Result<Option<Receipt>, Error>> {
        self.ask(|books| books.find_receipt(id))
    }

    fn is_opened_by(&self, session: &SessionId, token: SecretHash) -> BoxFuture<'_, Result<bool, Error>> {
        self.ask(|books| {
            let of_token = books.connections.iter().filter(|connection| connection.token == Some(token));
            of_token.into_iter().any(|connection| books.sessions[connection.session].id == *session)
        })
    }

    fn usage(
        &self,
        days: RangeInclusive<Day>,
        key: Option<KeyId>,
    ) -> BoxFuture<'_, Result<Vec<DailyUsage>, Error>> {
        self.ask(|books| {
            let wanted = books.usage.values().filter(|usage| days.contains(&usage.day));
            wanted.filter(|usage| key.as_ref().is_none_or(|key| usage.key == *key)).cloned().collect()
        })
    }

    fn outbox(&self, after: u64, limit: u64) -> BoxFuture<'_, Result<Vec<Event>, Error>> {
        self.ask(|books| {
            let rest = books.rows.iter().filter(|row| row.position > after);
            rest.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
        })
    }

    fn exported(&self, exporter: &str) -> BoxFuture<'_, Result<u64, Error>> {
        self.ask(|books| books.exported.get(exporter).copied().unwrap_or(0))
    }

    fn acknowledge(&self, exporter: &str, position: u64) -> BoxFuture<'_, Result<(), Error>> {
        self.write(|state| {
            let last = state.books.rows.len() as u64;
            if position > last {
                return Err(beyond(position, last));
            }
            let kept = state.books.exported.entry(exporter.to_owned()).or_default();
            *kept = position.max(*kept);
            Ok(())
        })
    }
}
