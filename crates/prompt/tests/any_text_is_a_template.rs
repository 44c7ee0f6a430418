//! Whatever a template holds, it is read, tags without a partner are text, and what comes of it is what nesting says.

use std::path::Path;

use prompt::{Template, Variable};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::support::resolved;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Put(&'static str, &'static str),
    If(&'static str, bool),
    Else,
    EndIf,
}

impl Token {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Put(variable, _) => format!("[{variable}]"),
            Self::If(condition, _) => format!("[if {condition}]"),
            Self::Else => "[else]".to_owned(),
            Self::EndIf => "[endif]".to_owned(),
        }
    }
}

fn token() -> impl Strategy<Value = Token> {
    let text = prop::sample::select(vec![
        "a",
        "\n",
        "é",
        "[",
        "]",
        "[x]",
        "[not a tag]",
        "[link](u)",
        "[if]",
        "[if x]",
        "[else ]",
        "[ endif]",
        "\n[",
        "[if !]",
        "[Else]",
        "x ",
    ]);
    let put = prop::sample::select(vec![
        Token::Put("prompt:model", "demo/small"),
        Token::Put("prompt:workspace_id", "default"),
        Token::Put("prompt:cwd", "/nowhere/at all"),
        Token::Put("system:nothing", ""),
        Token::Put("other:thing", ""),
        Token::Put("file:missing.md", ""),
    ]);
    let condition = prop::sample::select(vec![
        Token::If("prompt:model", true),
        Token::If("!prompt:model", false),
        Token::If("file:missing.md", false),
        Token::If("!file:missing.md", true),
        Token::If("  ! git:shoes ", true),
        Token::If("other:thing", false),
    ]);
    prop_oneof![
        3 => text.prop_map(|text| Token::Text(text.to_owned())),
        2 => put,
        3 => condition,
        2 => Just(Token::Else),
        3 => Just(Token::EndIf),
    ]
}

/// What the tokens mean, worked out in another way: the first `[endif]` belongs to the nearest `[if]` before it, and
/// what is chosen takes the place of both, until there is no `[endif]`.
fn meant(mut tokens: Vec<Token>) -> String {
    let text = |token: Token| Token::Text(token.written());
    while let Some(end) = tokens.iter().position(|token| *token == Token::EndIf) {
        let Some(start) = tokens[..end].iter().rposition(|token| matches!(token, Token::If(..))) else {
            tokens[end] = text(Token::EndIf);
            continue;
        };
        let Token::If(_, holds) = tokens[start] else { unreachable!() };
        let within: Vec<Token> = tokens[start + 1..end].to_vec();
        let mut parts = within.splitn(2, |token| *token == Token::Else);
        let (first, second) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let chosen: Vec<Token> = if holds { first } else { second }
            .iter()
            .map(|token| if *token == Token::Else { text(Token::Else) } else { token.clone() })
            .collect();
        tokens.splice(start..=end, chosen);
    }
    tokens
        .into_iter()
        .map(|token| if let Token::Put(_, value) = token { value.to_owned() } else { token.written() })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tags_mean_what_their_nesting_says(tokens in prop::collection::vec(token(), 0..40)) {
        // A bracket that is open before a tag would make another text of both.
        let template: String = tokens.iter().map(Token::written).collect();
        let resolved = runtime().block_on(resolved(&template, Path::new("/nowhere/at all")));
        prop_assert_eq!(resolved, meant(tokens), "{}", template);
    }

    #[test]
    fn text_without_tags_is_returned_unchanged(text in "[^\\[]*") {
        let template = Template::parse(&text);
        prop_assert_eq!(template.variables().count(), 0);
        prop_assert_eq!(runtime().block_on(resolved(&text, Path::new("/nowhere"))), text);
    }

    #[test]
    fn any_text_is_read_and_grows_by_its_values_only(text in "(\\[|\\]|if |!|:|file|system|os|endif|else|/|\\PC|\n){0,200}") {
        let said = runtime().block_on(resolved(&text, Path::new("/nowhere")));
        let values = text.matches(':').count() * 200;
        prop_assert!(said.len() <= text.len() + values, "{text:?} became {said:?}");
    }
}

#[tokio::test]
async fn depth_and_length_have_no_limit() {
    let depth = 200_000;
    let nested = "[if prompt:model]".repeat(depth) + "deep" + &"[else]no[endif]".repeat(depth);
    assert_eq!(resolved(&nested, Path::new("/nowhere")).await, "deep");
    for text in ["[".repeat(1 << 20), "[if prompt:model]".repeat(depth), "[else][endif]".repeat(depth)] {
        assert!(resolved(&text, Path::new("/nowhere")).await == text);
    }
}

#[test]
fn a_template_names_its_variables_once_and_in_order() {
    let template = Template::parse(
        "[git:branch][if !file:a b.md][system:os][git:branch][else][x:y][endif][file:a b.md] [note: this] \
         [if prompt:cwd] never closed [else][prompt:model]",
    );
    let variables: Vec<&Variable> = template.variables().collect();
    assert_eq!(
        variables,
        [
            &Variable::Branch,
            &Variable::File("a b.md".to_owned()),
            &Variable::Os,
            &Variable::Unknown("x:y".to_owned()),
            &Variable::Model,
        ]
    );
}
