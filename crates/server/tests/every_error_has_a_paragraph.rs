//! `docs/errors.md` says of each code what happened and what to do.

use std::collections::BTreeSet;

use wire::ErrorCode;

const PAGE: &str = include_str!("../../../docs/errors.md");

#[test]
fn every_code_has_a_paragraph_and_no_paragraph_is_of_another() {
    let ours = PAGE.split("## Of the command line").next().unwrap();
    let sections: Vec<(&str, &str)> =
        ours.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    let described: BTreeSet<&str> = sections.iter().map(|(title, _)| title.trim_matches('`')).collect();
    let known: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(described, known);
    assert_eq!(sections.len(), known.len(), "one is there twice");
    for (title, text) in sections {
        let sentences = text.matches(". ").count() + text.matches(".\n").count();
        assert!(sentences >= 2, "{title}: what happened, and what to do");
    }
}
