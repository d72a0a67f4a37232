//! What a misspelt name probably was meant to be.

/// The nearest of the candidates, if a third of the characters or less are wrong.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let distances = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&candidate.to_lowercase(), &name), candidate));
    let (_, candidate) = distances.filter(|(distance, _)| *distance <= allowed).min()?;
    Some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_near_to_one_and_another_word_is_not() {
        assert_eq!(nearest("addres", ["type", "address"]), Some("address"));
        assert_eq!(nearest("ojb", ["obj", "edge"]), Some("obj"));
        assert_eq!(nearest("colour", ["type", "address"]), None);
    }
}
