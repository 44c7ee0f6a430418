//! A tool of a server, and one call of it.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc::Sender;
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, SinkExt};
use kernel::{Tool, ToolContext, ToolOutput, ToolResult, ToolSpec};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotification, CancelledNotificationParam, ClientRequest,
    JsonObject, ProgressToken, RequestId,
};
use rmcp::service::{Peer, PeerRequestOptions, ServiceError};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::of_service;
use crate::list::Offer;
use crate::result;
use crate::server::{Lease, Phase, Session};
use crate::transport::{Ear, Live, is_lost};

/// How much live output may wait for its readers. What comes on top is not shown.
const MAX_WAITING: usize = 64;

/// How long a cancellation may take to be sent.
const WITHDRAWING: Duration = Duration::from_secs(5);

/// A tool as the model sees it.
pub(crate) struct RemoteTool {
    spec: ToolSpec,
    /// What the server calls it.
    name: String,
    lease: Arc<Lease>,
}

impl RemoteTool {
    pub(crate) fn new(name: String, offer: &Offer, lease: Arc<Lease>) -> Self {
        let spec = ToolSpec {
            name,
            description: offer.description.clone(),
            input_schema: offer.schema.clone(),
            // A tool that does not say that it only reads may write what another reads.
            exclusive: !offer.read_only,
        };
        Self { spec, name: offer.name.clone(), lease }
    }

    async fn call(&self, input: Value, context: ToolContext) -> ToolResult {
        let Value::Object(arguments) = input else {
            return ToolResult::error(format!("{} takes a JSON object.", self.spec.name));
        };
        if context.cancelled.clone().now_or_never().is_some() {
            return ToolResult::error("[aborted: the tool was not called]");
        }
        let server = self.lease.server();
        let id = server.id();
        let session = match server.phase() {
            Phase::Ready(session) => session,
            Phase::Failed { error, .. } | Phase::Died { error } => return unavailable(id, &error),
            Phase::Starting { .. } => return unavailable(id, "it is being started again; try again later"),
            Phase::Resting => return unavailable(id, "it has been shut down"),
        };
        let patience = server.call_timeout();
        let deadline = Instant::now() + patience;
        let (live, shown) = mpsc::channel(MAX_WAITING);
        let mut shown = Shown { pieces: shown, output: context.output };
        let ending = {
            let asking = pin!(self.ask(&session, arguments, Live(live)));
            tokio::select! {
                // First, so that an answer counts that came before the end of the server.
                biased;
                answer = asking => Ending::Answer(answer),
                () = session.ear.ended.cancelled() => Ending::Gone,
                () = context.cancelled.clone() => Ending::Aborted,
                () = sleep_until(deadline) => Ending::TimedOut,
                never = shown.pass_on() => match never {},
            }
        };
        let answer = match ending {
            Ending::Answer(answer) => answer,
            Ending::Gone => Err(ServiceError::TransportClosed),
            Ending::Aborted => {
                let words =
                    format!("[aborted: the MCP server \"{id}\" was told so; it may have done some of it]");
                return ToolResult::error(words);
            }
            Ending::TimedOut => {
                let words = format!(
                    "The MCP server \"{id}\" did not answer within {patience:?}. It was told to stop; it may have \
                     done some of it."
                );
                return ToolResult::error(words);
            }
        };
        let flushed = shown.flush();
        tokio::select! {
            () = flushed => {}
            () = context.cancelled => {}
            () = sleep_until(deadline) => {}
        }
        match answer {
            Ok(result) => result,
            Err(error) if is_lost(&error) => {
                session.ear.ended.cancel();
                let why = server.obituary(&session).await;
                unavailable(id, &format!("{why}. What the call had begun may have been done"))
            }
            Err(error) => {
                let words = server.clean(&of_service(&error));
                ToolResult::error(format!("The MCP server \"{id}\" refused the call: {words}"))
            }
        }
    }

    async fn ask(
        &self,
        session: &Session,
        arguments: JsonObject,
        live: Live,
    ) -> Result<ToolResult, ServiceError> {
        let params = CallToolRequestParams::new(self.name.clone()).with_arguments(arguments);
        let mut request = CallToolRequest::new(params);
        request.extensions.insert(live);
        let request = ClientRequest::CallToolRequest(request);
        let mut handle =
            session.peer.send_request_with_option(request, PeerRequestOptions::no_options()).await?;
        let mut withdrawal = Withdrawal {
            peer: session.peer.clone(),
            ear: session.ear.clone(),
            token: handle.progress_token.clone(),
            request: Some(handle.id.clone()),
        };
        let answer = (&mut handle.rx).await;
        withdrawal.request = None;
        answer.unwrap_or(Err(ServiceError::TransportClosed)).map(result::of)
    }
}

enum Ending {
    Answer(Result<ToolResult, ServiceError>),
    Gone,
    Aborted,
    TimedOut,
}

fn unavailable(id: &str, why: &str) -> ToolResult {
    ToolResult::error(format!("The MCP server \"{id}\" cannot be reached: {why}."))
}

impl Tool for RemoteTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        Box::pin(async move { self.call(input, context).await })
    }
}

/// A call that is under way. Dropping it before its answer tells the server that nobody waits for one.
struct Withdrawal {
    peer: Peer<RoleClient>,
    ear: Arc<Ear>,
    token: ProgressToken,
    /// Until the answer is there.
    request: Option<RequestId>,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.ear.forget(&self.token);
        let (Some(request), Ok(runtime)) = (self.request.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let reason = "nobody waits for the result any more".to_owned();
            let params = CancelledNotificationParam::new(Some(request), Some(reason));
            let _ =
                timeout(WITHDRAWING, peer.send_notification(CancelledNotification::new(params).into())).await;
        });
    }
}

/// Live output on its way from the connection to its readers.
struct Shown {
    pieces: mpsc::Receiver<ToolOutput>,
    output: Sender<ToolOutput>,
}

impl Shown {
    /// For as long as it is polled.
    async fn pass_on(&mut self) -> Infallible {
        loop {
            // First room, then the piece, so that none is lost when this is dropped while it waits.
            let _ = poll_fn(|context| self.output.poll_ready(context)).await;
            match self.pieces.recv().await {
                Some(piece) => drop(self.output.start_send(piece)),
                None => pending().await,
            }
        }
    }

    /// What has come until now.
    async fn flush(&mut self) {
        while let Ok(piece) = self.pieces.try_recv() {
            let _ = self.output.send(piece).await;
        }
    }
}
