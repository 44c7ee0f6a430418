//! The claims, one file for each section of the contract.

mod d01_history;
mod d02_when_active;
mod d03_exactly_once;
mod d05_access;
mod d06_answers;
mod d09_retry;
mod d11_resources;
mod d12_events;
mod d13_documents;
mod d14_images;
mod s2_00_general;
mod s2_01_health;
mod s2_02_models;
mod s2_03_chat;
mod s2_04_warm;
mod s2_05_list;
mod s2_06_history;
mod s2_07_throughput;
mod s2_08_metrics;
mod s2_09_close;
mod s2_10_stop;
mod s2_11_queue;
mod s2_12_cwd;
mod s2_13_last;
mod s2_14_effort;
mod s2_15_lsp;
mod s2_16_open;
mod s2_17_title;
mod s2_18_compaction;
mod s2_19_surfaces;
mod s2_20_static;
mod s3_0_connection;
mod s3_1_client_frames;
mod s3_2_server_frames;
mod s3_3_replay;
mod s3_4_surfaces;
mod s4_1_order;
mod s4_2_done;
mod s4_3_errors;
mod s4_4_abort;
mod s4_5_steering;
mod s4_6_sealing;
mod s4_7_seq;
mod s5_loop;
mod s6_queue;
mod s7_1_metadata;
mod s7_2_status;
mod s7_3_models;
mod s7_4_warming;
mod s7_5_compaction;
mod s9_tools;
mod web_clients;

use crate::check::Check;

struct Section {
    number: &'static str,
    title: &'static str,
    checks: fn() -> Vec<Check>,
}

const fn section(number: &'static str, title: &'static str, checks: fn() -> Vec<Check>) -> Section {
    Section { number, title, checks }
}

/// In the order of the contract; what was added to it at the end.
const SECTIONS: &[Section] = &[
    section("2.0", "HTTP in general", s2_00_general::checks),
    section("2.1", "GET /health", s2_01_health::checks),
    section("2.2", "GET /models", s2_02_models::checks),
    section("2.3", "POST /chat", s2_03_chat::checks),
    section("2.4", "POST /chat/warm", s2_04_warm::checks),
    section("2.5", "GET /conversations", s2_05_list::checks),
    section("2.6", "GET /conversations/:id", s2_06_history::checks),
    section("2.7", "GET /metrics/throughput", s2_07_throughput::checks),
    section("2.8", "GET /conversations/:id/metrics", s2_08_metrics::checks),
    section("2.9", "POST /conversations/:id/close", s2_09_close::checks),
    section("2.10", "POST /conversations/:id/stop", s2_10_stop::checks),
    section("2.11", "POST /conversations/:id/queue", s2_11_queue::checks),
    section("2.12", "cwd", s2_12_cwd::checks),
    section("2.13", "GET /conversations/:id/last", s2_13_last::checks),
    section("2.14", "reasoning-effort", s2_14_effort::checks),
    section("2.15", "GET /conversations/:id/lsp", s2_15_lsp::checks),
    section("2.16", "POST /conversations/:id/open", s2_16_open::checks),
    section("2.17", "title", s2_17_title::checks),
    section("2.18", "compaction over HTTP", s2_18_compaction::checks),
    section("2.19", "surfaces over HTTP", s2_19_surfaces::checks),
    section("2.20", "static files", s2_20_static::checks),
    section("3.0", "the socket", s3_0_connection::checks),
    section("3.1", "frames of the client", s3_1_client_frames::checks),
    section("3.2", "frames of the server", s3_2_server_frames::checks),
    section("3.3", "order and replay", s3_3_replay::checks),
    section("3.4", "surfaces", s3_4_surfaces::checks),
    section("4.1", "order inside a turn", s4_1_order::checks),
    section("4.2", "done", s4_2_done::checks),
    section("4.3", "errors inside a turn", s4_3_errors::checks),
    section("4.4", "abort", s4_4_abort::checks),
    section("4.5", "steering", s4_5_steering::checks),
    section("4.6", "chunks and sealing", s4_6_sealing::checks),
    section("4.7", "seq", s4_7_seq::checks),
    section("5", "the turn loop", s5_loop::checks),
    section("6", "queue", s6_queue::checks),
    section("7.1", "metadata and titles", s7_1_metadata::checks),
    section("7.2", "status", s7_2_status::checks),
    section("7.3", "models, effort and cwd of a turn", s7_3_models::checks),
    section("7.4", "cache warming", s7_4_warming::checks),
    section("7.5", "compaction", s7_5_compaction::checks),
    section("9", "tools as seen over the wire", s9_tools::checks),
    section("D1", "history shows sealed turns only", d01_history::checks),
    section("D2", "whenActive", d02_when_active::checks),
    section("D3", "clientMessageId, cursor, expectedTurnId", d03_exactly_once::checks),
    section("D5", "one port, origins, hosts and keys", d05_access::checks),
    section("D6", "codes, reasons, usage and limits", d06_answers::checks),
    section("D9", "retry", d09_retry::checks),
    section("D11", "status, model, queue, MCP, deletion", d11_resources::checks),
    section("D12", "GET /conversations/:id/events", d12_events::checks),
    section("D13", "system prompt and documents", d13_documents::checks),
    section("D14", "images", d14_images::checks),
    section("W", "what existing web clients need", web_clients::checks),
];

/// All checks.
pub(crate) fn all() -> Vec<Check> {
    SECTIONS.iter().flat_map(|section| (section.checks)()).collect()
}

/// What a section is about.
pub(crate) fn title(number: &str) -> &'static str {
    SECTIONS.iter().find(|section| section.number == number).map_or("", |section| section.title)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_begin_with_their_section() {
        let mut ids = HashSet::new();
        for section in SECTIONS {
            for check in (section.checks)() {
                assert!(ids.insert(check.id), "{} is there twice", check.id);
                assert_eq!(check.section(), section.number, "{}", check.id);
                assert!(!check.claim.is_empty() && !check.claim.contains('\n'), "{}", check.id);
            }
        }
        assert!(ids.len() >= 200, "{} checks", ids.len());
    }
}
