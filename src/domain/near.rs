//! Which known name may have been meant by one that is not known. Pure.

/// The most similar of the known names: at most two letters off, upper and lower case alike.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (distance(&name.to_lowercase(), &known.to_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .map(|(_, known)| known)
}

/// Edit distance between two names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_off_is_near_and_three_is_not() {
        let known = ["Sourced", "Screen", "Offer"];
        assert_eq!(nearest("sourcd", known), Some("Sourced"));
        assert_eq!(nearest("Scren", known), Some("Screen"));
        assert_eq!(nearest("Interview", known), None);
        assert_eq!(nearest("x", ["ab"]), None, "as many letters off as it has");
    }
}
