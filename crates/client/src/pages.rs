//! The history of a conversation, page by page.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use wire::ConversationId;

use crate::{Client, Error, Stored, Window};

/// The history of a conversation in pages, the newest first; the chunks of each are ascending. From [`Client::pages`].
pub struct Pages {
    client: Client,
    conversation: ConversationId,
    limit: u64,
    before: Option<u64>,
    is_over: bool,
}

impl Pages {
    pub(crate) fn new(client: &Client, conversation: ConversationId, limit: u64) -> Self {
        Self { client: client.clone(), conversation, limit: limit.max(1), before: None, is_over: false }
    }

    /// The next page, which is older; none when there are no more.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached. Another call tries again.
    pub async fn next(&mut self) -> Result<Option<Vec<Stored>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let window = Window { since: 0, before: self.before, limit: Some(self.limit) };
        let page = self.client.history(&self.conversation, window).await?;
        let first = page.first().map_or(1, |stored| stored.chunk.seq);
        self.is_over = first <= 1;
        self.before = Some(first);
        Ok((!page.is_empty()).then_some(page))
    }

    /// The pages as a stream. It ends after an error.
    pub fn into_stream(self) -> BoxStream<'static, Result<Vec<Stored>, Error>> {
        stream::try_unfold(self, |mut pages| async { Ok(pages.next().await?.map(|page| (page, pages))) })
            .boxed()
    }
}
