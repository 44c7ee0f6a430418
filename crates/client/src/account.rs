//! The server's routes about keys, usage and sessions.

use std::time::{Duration, Instant};

use reqwest::Method;
use wire::account::{
    ApiKey, CreateKeyRequest, CreateKeyResponse, CreditKeyRequest, KeyListResponse, KeyResponse,
    SessionListResponse, SessionReceipt, UsageResponse,
};

use crate::http::{ANSWER, Twice};
use crate::{Answer, Client, Error};

/// How long a session that has ended may take to be settled, and how often that is asked.
const SETTLING: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(100);

const NOTHING: Option<&()> = None;

/// Keys.
impl Client {
    /// All keys, with their balances. For the operator.
    pub async fn keys(&self) -> Result<Answer<KeyListResponse>, Error> {
        self.ask(Method::GET, &["v1", "keys"], &[], NOTHING).await
    }

    /// A key with its balance and what it has spent, by its id: any for the operator, for a key itself. None: the one that
    /// this client uses.
    pub async fn read_key(&self, id: Option<&str>) -> Result<Answer<KeyResponse>, Error> {
        self.ask(Method::GET, &["v1", "keys", id.unwrap_or("self")], &[], NOTHING).await
    }

    /// Makes a key; its secret is in this answer and in no other.
    pub async fn create_key(&self, wishes: &CreateKeyRequest) -> Result<Answer<CreateKeyResponse>, Error> {
        self.ask(Method::POST, &["v1", "keys"], &[], Some(wishes)).await
    }

    /// Revokes a key: it begins nothing from then on.
    pub async fn revoke_key(&self, id: &str) -> Result<Answer<ApiKey>, Error> {
        self.ask(Method::DELETE, &["v1", "keys", id], &[], NOTHING).await
    }

    /// Adds to a balance. Sent twice, a deposit that has an id is added once.
    pub async fn credit_key(&self, id: &str, deposit: &CreditKeyRequest) -> Result<Answer<ApiKey>, Error> {
        let path = ["v1", "keys", id, "credit"];
        let request = self.request(Method::POST, &path, &[], Some(deposit)).timeout(ANSWER);
        self.json(request, Twice::if_safe(deposit.deposit_id.is_some())).await
    }
}

/// What was used.
impl Client {
    /// Days are `YYYY-MM-DD`; what is not said, the server chooses.
    pub async fn usage(
        &self,
        from: Option<String>,
        to: Option<String>,
        key: Option<String>,
    ) -> Result<Answer<UsageResponse>, Error> {
        let query: Vec<(&str, String)> = [("from", from), ("to", to), ("key", key)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        self.ask(Method::GET, &["v1", "usage"], &query, NOTHING).await
    }

    /// The newest first; with a key, those that it pays for.
    pub async fn sessions(
        &self,
        limit: Option<u64>,
        key: Option<String>,
    ) -> Result<Answer<SessionListResponse>, Error> {
        let limit = limit.map(|limit| limit.to_string());
        let query: Vec<(&str, String)> = [("limit", limit), ("key", key)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        self.ask(Method::GET, &["v1", "sessions"], &query, NOTHING).await
    }

    /// By the id of the session or of any of its connections.
    pub async fn session(&self, id: &str) -> Result<Answer<SessionReceipt>, Error> {
        self.ask(Method::GET, &["v1", "sessions", id], &[], NOTHING).await
    }

    /// Once the session is over and settled; as it is after some seconds, if it goes on.
    pub async fn settled_session(&self, id: &str) -> Result<Answer<SessionReceipt>, Error> {
        let asked = Instant::now();
        loop {
            let answer = self.session(id).await?;
            if answer.value.settled || asked.elapsed() >= SETTLING {
                return Ok(answer);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Ends a session.
    pub async fn end_session(&self, id: &str) -> Result<Answer<SessionReceipt>, Error> {
        self.ask(Method::DELETE, &["v1", "sessions", id], &[], NOTHING).await
    }
}
