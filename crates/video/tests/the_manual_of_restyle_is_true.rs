//! Every example and every word in docs/restyle.md is what the code does.

use video::{Effect, Pool, Recipe};

use crate::common::{distance, restyled, scene, size};

const MANUAL: &str = include_str!("../../../docs/restyle.md");

/// The cells of the table below a heading, without the head of the table.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = MANUAL.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands between backquotes.
fn quoted(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Words, the highest strength, and the range of exact numbers.
type Row = (Vec<&'static str>, u16, Option<Vec<u16>>);

#[test]
fn the_vocabulary_is_complete_and_names_nothing_else() {
    let rows: Vec<Row> = table("Vocabulary")
        .into_iter()
        .map(|row| {
            let most = row[2].trim_end_matches('%').parse().unwrap();
            let exact = row[3].split_once(" to ").map(|(low, high)| {
                [low, high].map(|n| n.split(' ').next().unwrap().parse().unwrap()).to_vec()
            });
            (quoted(row[0]), most, exact)
        })
        .collect();
    let code: Vec<Row> = Effect::ALL
        .iter()
        .map(|effect| {
            let exact = effect.exact().map(|range| vec![*range.start(), *range.end()]);
            (effect.words().to_vec(), effect.most(), exact)
        })
        .collect();
    assert_eq!(rows, code);
}

#[test]
fn the_words_of_strength_have_their_factors() {
    let rows = table("Strength");
    assert!(!rows.is_empty());
    for row in rows {
        let percent: u32 = row[1].trim_end_matches('%').parse().unwrap();
        for word in quoted(row[0]) {
            // Bright takes up to 200%.
            let expected = match percent {
                0 => "nothing".to_owned(),
                100 => "bright".to_owned(),
                percent => format!("bright {percent}%"),
            };
            assert_eq!(Recipe::read(&format!("{word} bright")).to_string(), expected, "{word}");
        }
    }
}

#[test]
fn each_example_is_read_and_drawn_as_it_says() {
    let examples = table("Examples");
    assert!(examples.len() > 15);
    let before = scene(&Pool::new(), size(160, 90), 2);
    for row in examples {
        let (prompt, read) = (row[0].trim_matches('`'), row[1].trim_matches('`'));
        assert_eq!(Recipe::read(prompt).to_string(), read, "{prompt}");
        let after = restyled(prompt, None, &before);
        let unchanged = read == "nothing" || read.starts_with("palette");
        assert_eq!(distance(&before, &after) <= 1, unchanged, "{prompt}");
        // What is read as nothing or as a look of its own has no shorter prompt.
        if read != "nothing" && !read.starts_with("own look") {
            assert_eq!(after, restyled(read, None, &before), "{prompt}");
        }
    }
}
