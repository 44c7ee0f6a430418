//! A prompt without a word of the vocabulary gets a grade that depends on its words alone.

use proptest::prelude::*;
use video::{Frame, Pool, Recipe};

use crate::common::{distance, flat, restyled, scene, size};

fn difference(a: &Frame, b: &Frame) -> f64 {
    let sums = a.planes().into_iter().zip(b.planes()).map(|(a, b)| {
        let sum: u64 =
            a.rows().flatten().zip(b.rows().flatten()).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
        sum as f64 / (a.width() * a.height()) as f64
    });
    sums.sum()
}

#[test]
fn it_is_stable_and_only_the_words_count() {
    let before = scene(&Pool::new(), size(160, 90), 1);
    let look = restyled("a lion made of glass", None, &before);
    assert_eq!(look, restyled("a lion made of glass", None, &before));
    assert_eq!(look, restyled("  A LION, made of... glass!  ", None, &before));
    assert_ne!(look, restyled("a lion made of stone", None, &before));
    assert_ne!(look, restyled("glass of made lion a", None, &before));
    // So that the look does not change between versions unnoticed.
    assert_eq!(Recipe::read("a lion made of glass").to_string(), "own look dbbec68c3dd61faa");
}

#[test]
fn all_scripts_have_words() {
    let before = scene(&Pool::new(), size(160, 90), 1);
    let prompts = ["Ölgemälde", "アニメの少女", "лев из стекла", "🔥", "🔥🔥", "very"];
    let looks: Vec<Frame> = prompts.iter().map(|prompt| restyled(prompt, None, &before)).collect();
    for (index, look) in looks.iter().enumerate() {
        assert!(distance(look, &before) > 8, "{}", prompts[index]);
        assert!(!looks[..index].contains(look), "{}", prompts[index]);
    }
}

#[test]
fn nothing_but_space_punctuation_and_numbers_changes_nothing() {
    let before = scene(&Pool::new(), size(160, 90), 1);
    for prompt in ["", "   ", "\n\t", "...", "!?", "42", "50%", "-"] {
        assert_eq!(restyled(prompt, None, &before), before, "{prompt:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_seen_on_a_grey_wall_too(prompt in "[a-z]{12,20}( [a-z]{12,20}){0,4}") {
        let before = flat(&Pool::new(), size(32, 18), [120, 128, 128]);
        let look = restyled(&prompt, None, &before);
        prop_assert!(difference(&look, &before) > 12.0, "{} is not seen", prompt);
    }

    #[test]
    fn any_prompt_can_be_read_and_says_what_it_was_read_as(prompt in any::<String>()) {
        let recipe = Recipe::read(&prompt);
        if !recipe.to_string().starts_with("own look") {
            let again = Recipe::read(&recipe.to_string());
            prop_assert_eq!(again.steps(), recipe.steps());
        }
    }

    #[test]
    fn any_mixture_of_known_words_is_read_the_same_when_it_is_said_shortly(
        words in proptest::collection::vec(prop_oneof![
            proptest::sample::select(video::Effect::ALL).prop_map(|effect| effect.name().to_owned()),
            proptest::sample::select(vec!["very", "slightly", "no", "half", "and", ",", "blue-green", "with", "the"])
                .prop_map(str::to_owned),
            (0_u32..300).prop_map(|number| number.to_string()),
            (0_u32..300).prop_map(|number| format!("{number}%")),
        ], 1..12),
    ) {
        let prompt = words.join(" ");
        let recipe = Recipe::read(&prompt);
        let short = recipe.to_string();
        prop_assume!(!short.starts_with("own look") && short != "nothing");
        prop_assert_eq!(Recipe::read(&short), recipe, "{} as {}", prompt, short);
    }
}
