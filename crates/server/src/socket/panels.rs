//! The surfaces that a socket is subscribed to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::{Change, Part};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use wire::ConversationId;
use wire::surface::{SurfaceScope, SurfaceSpec};
use wire::transport::{ServerMessage, SurfaceUpdate};

use super::writer::Order;
use crate::App;
use crate::answer::Refusal;
use crate::surfaces::{Surface, spec};

/// What the reader wants of the surfaces.
pub(super) enum Wish {
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    /// Say once more what it shows, changed or not, if it is subscribed to.
    Show(Subscription),
}

/// What a subscription is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subscription {
    pub(super) surface: String,
    pub(super) conversation: Option<ConversationId>,
}

/// Looks up what surfaces show and has it sent, until the socket is gone.
pub(super) async fn serve(
    app: App,
    mut wishes: mpsc::Receiver<Wish>,
    mut changes: broadcast::Receiver<Change>,
    orders: mpsc::Sender<Order>,
) {
    let mut panels = Panels { app, orders, shown: HashMap::new() };
    loop {
        let served = tokio::select! {
            wish = wishes.recv() => match wish {
                Some(Wish::Subscribe(subscription)) => panels.subscribe(subscription).await,
                Some(Wish::Unsubscribe(subscription)) => {
                    panels.shown.remove(&subscription);
                    Some(())
                }
                Some(Wish::Show(subscription)) => panels.update(subscription, true).await,
                None => None,
            },
            change = changes.recv() => match change {
                Ok(first) => {
                    // What has gathered meanwhile is looked up once.
                    let mut gathered = vec![first];
                    while let Ok(more) = changes.try_recv() {
                        gathered.push(more);
                    }
                    panels.refresh(|subscription, surfaces| gathered.iter().any(|change| {
                        surfaces(change.part).contains(&subscription.surface)
                            && subscription.conversation.as_ref().is_none_or(|id| *id == change.conversation_id)
                    })).await
                }
                // More changes than the channel holds: any of them may have been ours.
                Err(RecvError::Lagged(_)) => panels.refresh(|_, _| true).await,
                Err(RecvError::Closed) => None,
            },
        };
        if served.is_none() {
            return;
        }
    }
}

struct Panels {
    app: App,
    orders: mpsc::Sender<Order>,
    /// What each subscription was shown last.
    shown: HashMap<Subscription, SurfaceSpec>,
}

impl Panels {
    async fn subscribe(&mut self, subscription: Subscription) -> Option<()> {
        match self.look_up(&subscription).await {
            Ok(spec) => {
                self.shown.insert(subscription.clone(), spec.clone());
                let conversation_id = self.echo(&subscription);
                self.say(ServerMessage::Surface { spec, conversation_id }).await
            }
            Err(refusal) => self.say(super::reader::surface_error(Some(subscription.surface), refusal)).await,
        }
    }

    /// Sends those of the chosen subscriptions that have changed.
    async fn refresh(
        &mut self,
        chosen: impl Fn(&Subscription, &dyn Fn(Part) -> BTreeSet<String>) -> bool,
    ) -> Option<()> {
        let showing = |part: Part| self.app.surfaces.showing(&BTreeSet::from([part]));
        let chosen: Vec<Subscription> =
            self.shown.keys().filter(|subscription| chosen(subscription, &showing)).cloned().collect();
        for subscription in chosen {
            self.update(subscription, false).await?;
        }
        Some(())
    }

    /// Sends what a subscription shows now, if that has changed, or in any case.
    async fn update(&mut self, subscription: Subscription, in_any_case: bool) -> Option<()> {
        let Some(before) = self.shown.get(&subscription) else { return Some(()) };
        match self.look_up(&subscription).await {
            Ok(spec) if *before == spec && !in_any_case => Some(()),
            Ok(spec) => {
                self.shown.insert(subscription.clone(), spec.clone());
                let conversation_id = self.echo(&subscription);
                let update = SurfaceUpdate { surface_id: subscription.surface, spec, conversation_id };
                self.say(ServerMessage::Update { update }).await
            }
            Err(refusal) => {
                let surface = subscription.surface;
                tracing::warn!(surface, "a surface cannot be shown: {}", refusal.message);
                Some(())
            }
        }
    }

    async fn look_up(&self, subscription: &Subscription) -> Result<SurfaceSpec, Refusal> {
        let surface: Arc<dyn Surface> = self.app.surfaces.find(&subscription.surface)?.clone();
        spec(surface.as_ref(), subscription.conversation.as_ref()).await
    }

    /// The conversation as clients expect it back: not for a surface that is the same for all.
    fn echo(&self, subscription: &Subscription) -> Option<ConversationId> {
        let surface = self.app.surfaces.find(&subscription.surface).ok()?;
        let global = surface.entry().scope == Some(SurfaceScope::Global);
        subscription.conversation.clone().filter(|_| !global)
    }

    async fn say(&self, message: ServerMessage) -> Option<()> {
        self.orders.send(Order::Say(message)).await.ok()
    }
}
