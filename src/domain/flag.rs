//! Words for true and false, as people and spreadsheets write them. Pure.

/// In the languages of Excel's TRUE and of yes.
const TRUE: [&str; 38] = [
    "true",
    "t",
    "yes",
    "y",
    "on",
    "1",
    "1.0",
    "wahr",
    "ja",
    "j",
    "vrai",
    "oui",
    "verdadero",
    "sí",
    "si",
    "vero",
    "sì",
    "waar",
    "verdadeiro",
    "sim",
    "prawda",
    "tak",
    "sant",
    "sand",
    "sandt",
    "tosi",
    "kyllä",
    "igaz",
    "igen",
    "pravda",
    "ano",
    "doğru",
    "evet",
    "истина",
    "да",
    "真",
    "是",
    "はい",
];

/// In the languages of Excel's FALSE and of no.
const FALSE: [&str; 33] = [
    "false", "f", "no", "n", "off", "0", "0.0", "falsch", "nein", "faux", "non", "falso", "onwaar",
    "nee", "não", "nao", "fałsz", "falsz", "nie", "falskt", "falsk", "usant", "nej", "nei",
    "epätosi", "ei", "hamis", "nem", "nepravda", "ne", "yanlış", "ложь", "нет",
];

/// Whether a word means true or false; `None` if it is neither.
pub fn flag(text: &str) -> Option<bool> {
    let word = text.trim().to_lowercase();
    match word.as_str() {
        "" => None,
        word if TRUE.contains(&word) => Some(true),
        word if FALSE.contains(&word) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_no_word_is_both() {
        for word in ["TRUE", " True\t", "1", "Y", "yes", "WAHR", "Ja", "VRAI", "SÍ"] {
            assert_eq!(flag(word), Some(true), "{word}");
        }
        for word in ["FALSE", "0", "N", "no", "FALSCH", "Nein", "FAUX"] {
            assert_eq!(flag(word), Some(false), "{word}");
        }
        for word in ["", " ", "2", "maybe", "x", "2019-04-01", "-1", "truee"] {
            assert_eq!(flag(word), None, "{word}");
        }
        assert!(TRUE.iter().all(|word| !FALSE.contains(word) && word.to_lowercase() == *word));
        assert!(FALSE.iter().all(|word| word.to_lowercase() == *word));
    }
}
