//! What models call the tools of servers.

use std::collections::HashSet;

/// The most characters of a name that every provider takes.
const MAX_CHARS: usize = 64;

/// Names tools, given the id of their server and what the server calls them: `<server>__<tool>`, each of them once.
///
/// A character that is not an ASCII letter, a digit, `_` or `-` becomes `_`. A name that is too long then, or that
/// another tool has, is cut and gets the hash of the original: `_` and eight hexadecimal digits. Of several that would
/// have the same name, the one that was called so from the beginning keeps it, else the first.
pub(crate) fn assign(tools: &[(&str, &str)]) -> Vec<String> {
    let wanted: Vec<_> = tools
        .iter()
        .map(|(server, tool)| {
            let original = format!("{server}__{tool}");
            let fit: String = original.chars().map(|c| if is_fit(c) { c } else { '_' }).collect();
            let as_is = fit == original && fit.len() <= MAX_CHARS;
            (original, fit, as_is)
        })
        .collect();
    let mut taken = HashSet::new();
    let mut names = vec![None; wanted.len()];
    // Two rounds, so that what needs no change is not pushed aside by what comes before it.
    for keeps in [true, false] {
        for ((original, fit, as_is), name) in wanted.iter().zip(&mut names) {
            if *as_is == keeps && name.is_none() {
                *name = Some(free(original, fit, &mut taken));
            }
        }
    }
    names.into_iter().flatten().collect()
}

fn is_fit(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn free(original: &str, fit: &str, taken: &mut HashSet<String>) -> String {
    if fit.len() <= MAX_CHARS && taken.insert(fit.to_owned()) {
        return fit.to_owned();
    }
    let mut salt = String::new();
    loop {
        let hash = hash(&format!("{original}{salt}"));
        let name = format!("{}_{hash:08x}", &fit[..fit.len().min(MAX_CHARS - 9)]);
        if taken.insert(name.clone()) {
            return name;
        }
        salt.push('\0');
    }
}

/// FNV-1a, since names must not change with the version of a library.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_servers_id_and_the_tools_name() {
        assert_eq!(
            assign(&[("files", "read"), ("files", "get-all"), ("my files", "get.all"), ("é", "ü")]),
            ["files__read", "files__get-all", "my_files__get_all", "____"]
        );
    }

    #[test]
    fn a_long_name_is_cut_and_marked() {
        let long = "x".repeat(100);
        let names = assign(&[("s", &long), ("s", &format!("{long}y"))]);
        assert_eq!(names[0], format!("s__{}_{:08x}", "x".repeat(52), hash(&format!("s__{long}"))));
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == MAX_CHARS));
        let just = "x".repeat(MAX_CHARS - 3);
        assert_eq!(assign(&[("s", &just)]), [format!("s__{just}")]);
    }

    #[test]
    fn no_two_tools_have_one_name() {
        let tools = [("a.b", "c"), ("a_b", "c"), ("a", "b__c"), ("a__b", "c"), ("a b", "c"), ("a_b", "c")];
        let names = assign(&tools);
        let suffixed = |fit: &str, original: &str| format!("{fit}_{:08x}", hash(original));
        assert_eq!(
            names,
            [
                suffixed("a_b__c", "a.b__c"),
                "a_b__c".to_owned(),
                "a__b__c".to_owned(),
                suffixed("a__b__c", "a__b__c"),
                suffixed("a_b__c", "a b__c"),
                suffixed("a_b__c", "a_b__c"),
            ]
        );
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), tools.len());
    }
}
