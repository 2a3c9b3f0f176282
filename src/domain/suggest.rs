//! Suggestions for misspelt names. Pure.

/// The known name that is most similar to `name`: at most two edits away, where a swap of two
/// letters is one edit and case does not count.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    known
        .into_iter()
        .map(|known| (distance(known), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_edits_are_suggested_and_three_are_not() {
        let known = ["Sourced", "Screen", "Offer"];
        assert_eq!(did_you_mean("sourcd", known), Some("Sourced"));
        assert_eq!(did_you_mean("Scren", known), Some("Screen"));
        assert_eq!(did_you_mean("Soucredd", known), Some("Sourced"), "a swap and a letter");
        assert_eq!(did_you_mean("Interview", known), None);
        assert_eq!(did_you_mean("x", ["ab"]), None, "as many edits as it has letters");
    }
}
