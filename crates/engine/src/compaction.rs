//! Replaces a conversation's older messages by a summary that a model writes.
//!
//! The cut is made before a message of the user's, so that no tool call is parted from its result and no answer from
//! its question. What was is kept as an archive. Texts that the server or a person pinned (`system` chunks) stay word by
//! word; the system prompt is not part of the log and stays anyway.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kernel::{Message, ProviderEvent, Request};
use store::{Attribute, Compaction, Numbered};
use wire::{Chunk, CompactionResult, ConversationId, Role};

use crate::notice::Notice;
use crate::prepare::{Choice, Wishes, choose};
use crate::{Error, Shared, now_ms};

/// How many messages stay where nobody says.
pub(crate) const KEEP: usize = 10;

/// As many messages stay at the most: what stays is written anew, in one transaction.
const KEEP_MOST: usize = 1000;

/// The most tokens of a summary.
const SUMMARY_TOKENS: u64 = 2000;

/// The most characters of a tool's result that the summariser reads.
const RESULT_CHARS: usize = 200;

/// How long the summariser has.
const PATIENCE: Duration = Duration::from_secs(300);

/// The characters of a token, cautiously: for what fits into a context window.
const CHARS_PER_TOKEN: u64 = 3;

/// The most characters that a summariser of unknown size reads.
const UNKNOWN_WINDOW_CHARS: usize = 300_000;

const INSTRUCTIONS: &str = "You summarise the older part of a conversation between a user and an assistant that works \
with tools. Your summary takes the place of that part: whoever goes on has nothing else. Keep what the user wants and \
has decided, the facts and names that were found (files, functions, commands, numbers, errors), what was done and with \
what result, and what is still open. Leave out greetings, repetition and detours. Write plain text, shorter than what \
you were given, in the language of the conversation.";

const LEAD_IN: &str = "The conversation up to here was long and has been summarised:";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) keep: Option<usize>,
    pub(crate) model: Option<String>,
}

/// A summary that is ready to take the place of what it summarises.
pub(crate) struct Plan {
    compaction: Compaction,
    result: CompactionResult,
}

/// Whether a conversation has grown so much that it is to be compacted by itself.
pub(crate) async fn is_due(shared: &Shared, id: &ConversationId, context_size: Option<u64>) -> bool {
    let Some(size) = context_size else { return false };
    let percent = match percent(shared, id).await {
        Ok(percent) => percent,
        Err(error) => {
            tracing::error!(conversation = %id, "whether to compact is not known: {error}");
            return false;
        }
    };
    if percent == 0 {
        return false;
    }
    let Ok(Choice { model: Some(model), .. }) = choose(shared, id, &Wishes::default()).await else {
        return false;
    };
    let window = shared.catalog.info(&model).await.and_then(|info| info.context_window);
    window.is_some_and(|window| {
        u128::from(size) >= u128::from(window) * u128::from(percent) / 100 && window > 0
    })
}

/// The percentage in force for a conversation.
pub(crate) async fn percent(shared: &Shared, id: &ConversationId) -> Result<u64, Error> {
    let kept = shared.store.attribute(id, Attribute::CompactPercent).await?;
    Ok(kept.and_then(|kept| kept.parse().ok()).unwrap_or(shared.options.compact_percent))
}

/// Has the summary written. Changes nothing yet, and can be dropped at any time.
pub(crate) async fn plan(shared: &Shared, id: &ConversationId, wanted: &Wanted) -> Result<Plan, Error> {
    let refused = |why: &str| Error::CompactionRefused(why.to_owned());
    let Some(known) = shared.store.conversation(id).await? else {
        return Err(refused("the conversation does not exist"));
    };
    let messages = shared.store.messages(id, known.last_seq).await?;
    let keep = wanted.keep.unwrap_or(KEEP).min(KEEP_MOST);
    if messages.len() <= keep {
        let why = format!(
            "the conversation is too short: it has {} messages, of which {keep} stay",
            messages.len()
        );
        return Err(Error::CompactionRefused(why));
    }
    let cut =
        cut(&messages, keep).ok_or_else(|| refused("there is nothing before the messages that stay"))?;
    let (old, kept) = messages.split_at(cut);
    let choice = choose(shared, id, &Wishes { model: wanted.model.clone(), ..Wishes::default() }).await?;
    if choice.resolved.is_none() {
        let model = choice.model.as_deref().unwrap_or("none is configured");
        return Err(Error::CompactionRefused(format!("unknown model: {model}")));
    }
    let summary = summarise(shared, &choice, old).await?;
    let summary = with_pinned(&summary, old);
    let before = size(old);
    if summary.len() >= before {
        let why = format!(
            "the summary has {} bytes and would take the place of {before}: nothing would be gained",
            summary.len()
        );
        return Err(Error::CompactionRefused(why));
    }
    let archive = ConversationId::new(uuid::Uuid::new_v4().to_string());
    Ok(Plan {
        compaction: Compaction {
            conversation: id.clone(),
            archive: archive.clone(),
            summary: summary.clone(),
            keep_from: kept.first().map(|first| first.number),
            last_seq: known.last_seq,
        },
        result: CompactionResult {
            summary,
            new_conversation_id: archive,
            messages_summarized: old.len() as u64,
            messages_kept: kept.len() as u64,
        },
    })
}

/// Does what was planned, and tells every client. Not to be dropped half-way: clients would not hear of it.
pub(crate) async fn carry_out(
    shared: &Shared,
    id: &ConversationId,
    plan: Plan,
) -> Result<CompactionResult, Error> {
    let Plan { compaction, result } = plan;
    shared.store.compact(compaction).await?;
    // Resolved anew with the next turn: the prefix has changed anyway.
    if let Err(error) = shared.store.set_attribute(id, now_ms(), Attribute::SystemPrompt, None).await {
        tracing::warn!(conversation = %id, "the system prompt stays as it was: {error}");
    }
    shared.notices.tell(Notice::Compacted { conversation_id: id.clone(), result: result.clone() });
    Ok(result)
}

/// Where to cut: the last message of the user's that leaves at least so many; else the next one after that; else, when
/// a single turn is all there is, its end.
fn cut(messages: &[Numbered], keep: usize) -> Option<usize> {
    let begins = |index: &usize| messages[*index].message.role == Role::User;
    let latest = messages.len().saturating_sub(keep);
    let before = (1..=latest.min(messages.len().saturating_sub(1))).rev().find(begins);
    // A summary of nothing but an earlier summary gains nothing.
    let gains = |index: &usize| messages[..*index].iter().any(|logged| logged.message.role != Role::System);
    before.filter(gains).or_else(|| (latest + 1..messages.len()).find(begins)).or(Some(messages.len()))
}

async fn summarise(shared: &Shared, choice: &Choice, old: &[Numbered]) -> Result<String, Error> {
    let (provider, model) = choice.provider();
    let window = match &choice.model {
        Some(model) => shared.catalog.info(model).await.and_then(|info| info.context_window),
        None => None,
    };
    let most = window
        .map(|window| window.saturating_sub(2 * SUMMARY_TOKENS).saturating_mul(CHARS_PER_TOKEN))
        .and_then(|chars| usize::try_from(chars).ok())
        .unwrap_or(UNKNOWN_WINDOW_CHARS);
    let request = Request {
        model,
        system: Some(INSTRUCTIONS.into()),
        messages: vec![Arc::new(Message::user(shortened(&rendered(old), most)))],
        tools: Arc::from([]),
        effort: wire::ReasoningEffort::Low,
        max_tokens: Some(SUMMARY_TOKENS),
    };
    let mut stream = provider.stream(request);
    let mut summary = String::new();
    let reading = async {
        while let Some(event) = stream.next().await {
            match event {
                ProviderEvent::TextDelta(delta) => summary.push_str(&delta),
                ProviderEvent::Error(failure) => return Err(Error::CompactionRefused(failure.message)),
                ProviderEvent::Finish(_) => return Ok(()),
                ProviderEvent::ReasoningDelta(_)
                | ProviderEvent::ReasoningEnd { .. }
                | ProviderEvent::ToolCall { .. }
                | ProviderEvent::Usage(_) => {}
            }
        }
        Err(Error::CompactionRefused(
            "the provider's stream ended before it said that it was finished".to_owned(),
        ))
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .map_err(|_| Error::CompactionRefused("the summary took too long".to_owned()))??;
    let summary = summary.trim();
    if summary.is_empty() {
        return Err(Error::CompactionRefused("the model wrote no summary".to_owned()));
    }
    Ok(summary.to_owned())
}

/// The summary as it goes into the log, with what is to stay word by word.
fn with_pinned(summary: &str, old: &[Numbered]) -> String {
    let mut text = format!("{LEAD_IN}\n\n{summary}");
    let pinned = old.iter().flat_map(|logged| &logged.message.parts).filter_map(|part| match &part.chunk {
        Chunk::System { text } => Some(text),
        _ => None,
    });
    for pinned in pinned {
        text.push_str("\n\n");
        text.push_str(pinned);
    }
    text
}

/// The messages as text, for the summariser.
fn rendered(messages: &[Numbered]) -> String {
    let mut text = String::new();
    for Numbered { message, .. } in messages {
        let role = message.role.as_str();
        for part in &message.parts {
            // Writing to memory does not fail.
            let _ = match &part.chunk {
                Chunk::Text { text: said } | Chunk::System { text: said } => writeln!(text, "{role}: {said}"),
                Chunk::ToolCall { tool_name, .. } => writeln!(text, "{role}: [calls {tool_name}]"),
                Chunk::ToolResult { tool_name, content, is_error, .. } => {
                    let what = if *is_error { "error" } else { "result" };
                    let shown = content.get(..char_boundary(content, RESULT_CHARS)).unwrap_or_default();
                    let more = if shown.len() < content.len() { " …" } else { "" };
                    writeln!(text, "{role}: [{what} of {tool_name}] {shown}{more}")
                }
                Chunk::Image(_) => writeln!(text, "{role}: [an image]"),
                Chunk::Thinking { .. } | Chunk::Error { .. } => Ok(()),
            };
        }
    }
    text
}

/// A text that is too long loses its middle.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = text.get(..char_boundary(text, most / 4)).unwrap_or_default();
    let from = (text.len() - most * 3 / 4..text.len()).find(|at| text.is_char_boundary(*at));
    let tail = from.and_then(|from| text.get(from..)).unwrap_or_default();
    format!("{head}\n[… left out: the conversation is longer than can be read at once …]\n{tail}")
}

fn char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The bytes that a provider is sent for messages, about.
fn size(messages: &[Numbered]) -> usize {
    messages
        .iter()
        .flat_map(|logged| &logged.message.parts)
        .map(|part| match &part.chunk {
            Chunk::Text { text } | Chunk::System { text } | Chunk::Thinking { text } => text.len(),
            Chunk::ToolCall { tool_name, input, .. } => tool_name.len() + input.to_string().len(),
            Chunk::ToolResult { content, .. } => content.len(),
            Chunk::Image(_) => 1024,
            Chunk::Error { .. } => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(roles: &str) -> Vec<Numbered> {
        let message = |(index, role)| {
            let role = match role {
                'u' => Role::User,
                'a' => Role::Assistant,
                't' => Role::Tool,
                _ => Role::System,
            };
            let parts = vec![Chunk::Text { text: "x".repeat(100) }.into()];
            Numbered { number: index as u64 + 1, message: Message { role, parts } }
        };
        roles.chars().enumerate().map(message).collect()
    }

    #[test]
    fn the_cut_is_before_a_message_of_the_users_and_leaves_what_was_asked_for() {
        assert_eq!(cut(&log("uauaua"), 2), Some(4));
        assert_eq!(cut(&log("uauaua"), 3), Some(2), "three would begin with an answer: four stay");
        assert_eq!(cut(&log("uatatauat"), 2), Some(6));
        assert_eq!(cut(&log("uatatauatat"), 2), Some(6));
    }

    #[test]
    fn a_long_first_turn_is_summarised_as_a_whole() {
        assert_eq!(cut(&log("uatatatua"), 4), Some(7), "nothing before it: the next turn stays alone");
        assert_eq!(cut(&log("uatatatat"), 4), Some(9), "nothing but one turn: nothing stays");
        assert_eq!(cut(&log("suatatua"), 4), Some(6), "an earlier summary alone is not summarised again");
    }

    #[test]
    fn what_is_pinned_stays_word_by_word() {
        let mut old = log("ua");
        old[0].message.parts.push(Chunk::System { text: "never touch main".to_owned() }.into());
        assert_eq!(with_pinned("short", &old), format!("{LEAD_IN}\n\nshort\n\nnever touch main"));
    }

    #[test]
    fn a_text_that_is_too_long_loses_its_middle() {
        let text = format!("{}{}", "a".repeat(1000), "é".repeat(1000));
        let short = shortened(&text, 400);
        assert!(short.starts_with("aaaa") && short.ends_with("éé"));
        assert!(short.len() < 500);
        assert_eq!(shortened("short", 400), "short");
    }
}
