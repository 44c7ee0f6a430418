//! The server's routes about keys, usage and sessions.

use reqwest::Method;
use wire::account::{
    ApiKey, CreateKeyRequest, CreateKeyResponse, CreditKeyRequest, KeyListResponse, SessionListResponse,
    SessionReceipt, UsageResponse,
};

use super::{ANSWER, Answer, Client, Error};

const NOTHING: Option<&()> = None;

/// Keys.
impl Client {
    pub(crate) async fn keys(&self) -> Result<Answer<KeyListResponse>, Error> {
        self.ask(Method::GET, &["v1", "keys"], &[], NOTHING).await
    }

    pub(crate) async fn create_key(
        &self,
        wishes: &CreateKeyRequest,
    ) -> Result<Answer<CreateKeyResponse>, Error> {
        self.ask(Method::POST, &["v1", "keys"], &[], Some(wishes)).await
    }

    pub(crate) async fn revoke_key(&self, id: &str) -> Result<Answer<ApiKey>, Error> {
        self.ask(Method::DELETE, &["v1", "keys", id], &[], NOTHING).await
    }

    /// Adds to a balance. Sent twice, a deposit that has an id is added once.
    pub(crate) async fn credit_key(
        &self,
        id: &str,
        deposit: &CreditKeyRequest,
    ) -> Result<Answer<ApiKey>, Error> {
        let path = ["v1", "keys", id, "credit"];
        let request = self.request(Method::POST, &path, &[], Some(deposit)).timeout(ANSWER);
        self.answer(self.send_safely(request).await?).await
    }
}

/// What was used.
impl Client {
    /// Days are `YYYY-MM-DD`; what is not said, the server chooses.
    pub(crate) async fn usage(
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

    /// The newest first.
    pub(crate) async fn sessions(&self, limit: Option<u64>) -> Result<Answer<SessionListResponse>, Error> {
        let query: Vec<(&str, String)> =
            limit.map(|limit| ("limit", limit.to_string())).into_iter().collect();
        self.ask(Method::GET, &["v1", "sessions"], &query, NOTHING).await
    }

    /// By the id of the session or of any of its connections.
    pub(crate) async fn session(&self, id: &str) -> Result<Answer<SessionReceipt>, Error> {
        self.ask(Method::GET, &["v1", "sessions", id], &[], NOTHING).await
    }

    pub(crate) async fn end_session(&self, id: &str) -> Result<Answer<SessionReceipt>, Error> {
        self.ask(Method::DELETE, &["v1", "sessions", id], &[], NOTHING).await
    }
}
