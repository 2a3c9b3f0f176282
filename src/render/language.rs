//! Direction and language of text: which way a page reads, and which forms Chinese characters take.

use icu_properties::{CodePointMapData, props::BidiClass};
use unicode_script::{Script, UnicodeScript};

use super::content::Person;

/// Whether the first character with a direction is right-to-left. None if no character has one.
pub(super) fn right_to_left(text: &str) -> Option<bool> {
    let classes = CodePointMapData::<BidiClass>::new();
    text.chars().find_map(|c| match classes.get(c) {
        BidiClass::LeftToRight => Some(false),
        BidiClass::RightToLeft | BidiClass::ArabicLetter => Some(true),
        _ => None,
    })
}

/// Whether a person's pages are mirrored: name and headline read from right to left.
pub(super) fn mirrored(person: &Person) -> bool {
    let headline = person.name.iter().chain(&person.title);
    let mut directions = headline.filter_map(|text| right_to_left(text)).peekable();
    directions.peek().is_some() && directions.all(|rtl| rtl)
}

/// The form that Chinese characters take. One code point has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Han {
    Japanese,
    Korean,
    Simplified,
    Taiwan,
    HongKong,
}

impl Han {
    /// How names of font families for this form end.
    pub(super) fn family_suffix(self) -> &'static str {
        match self {
            Self::Japanese => "JP",
            Self::Korean => "KR",
            Self::Simplified => "SC",
            Self::Taiwan => "TC",
            Self::HongKong => "HK",
        }
    }

    /// BCP 47 tag, by which a font chooses among its own forms.
    pub(super) fn locale(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::Korean => "ko",
            Self::Simplified => "zh-Hans",
            Self::Taiwan => "zh-Hant-TW",
            Self::HongKong => "zh-Hant-HK",
        }
    }

    /// The form for one person: by kana or hangul in the profile, else by country, else by the locale
    /// of the document, else simplified.
    pub(super) fn of(person: &Person, locale: &str) -> Self {
        let script = person.texts().flat_map(str::chars).find_map(|c| match c.script() {
            Script::Hiragana | Script::Katakana => Some(Self::Japanese),
            Script::Hangul => Some(Self::Korean),
            _ => None,
        });
        let country = || person.country.as_deref().and_then(Self::of_country);
        script.or_else(country).or_else(|| Self::of_locale(locale)).unwrap_or(Self::Simplified)
    }

    fn of_country(country: &str) -> Option<Self> {
        match country.to_ascii_uppercase().as_str() {
            "JP" => Some(Self::Japanese),
            "KR" => Some(Self::Korean),
            "CN" | "SG" => Some(Self::Simplified),
            "TW" => Some(Self::Taiwan),
            "HK" | "MO" => Some(Self::HongKong),
            _ => None,
        }
    }

    fn of_locale(locale: &str) -> Option<Self> {
        let parts: Vec<String> = locale.split(['-', '_']).map(str::to_ascii_lowercase).collect();
        let has = |part: &str| parts.iter().any(|own| own == part);
        match parts.first()?.as_str() {
            "ja" => Some(Self::Japanese),
            "ko" => Some(Self::Korean),
            "zh" => {
                let region = parts.iter().skip(1).find_map(|part| Self::of_country(part));
                let script = if has("hant") { Self::Taiwan } else { Self::Simplified };
                Some(region.unwrap_or(script))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Profile;

    fn han(profile: serde_json::Value, locale: &str) -> Han {
        Han::of(&Person::of(&Profile::try_from(profile).unwrap()), locale)
    }

    #[test]
    fn chinese_characters_take_the_form_of_the_persons_language() {
        let kana =
            json!({"fullName": "佐藤", "title": "エンジニア", "location": {"country": "CN"}});
        assert_eq!(han(kana, "en"), Han::Japanese);
        assert_eq!(han(json!({"fullName": "김 直"}), "en"), Han::Korean);
        for (country, form) in [
            ("CN", Han::Simplified),
            ("SG", Han::Simplified),
            ("TW", Han::Taiwan),
            ("HK", Han::HongKong),
            ("MO", Han::HongKong),
            ("JP", Han::Japanese),
        ] {
            let person = json!({"fullName": "直子", "location": {"country": country}});
            assert_eq!(han(person, "ko"), form, "{country}");
        }
        assert_eq!(han(json!({"fullName": "直子"}), "zh-TW"), Han::Taiwan);
        assert_eq!(han(json!({"fullName": "直子"}), "zh-Hant-HK"), Han::HongKong);
        assert_eq!(han(json!({"fullName": "直子"}), "zh-Hant"), Han::Taiwan);
        assert_eq!(han(json!({"fullName": "直子"}), "en"), Han::Simplified);
    }

    #[test]
    fn pages_are_mirrored_if_name_and_headline_are_right_to_left() {
        let of = |value| mirrored(&Person::of(&Profile::try_from(value).unwrap()));
        assert!(of(json!({"fullName": "ליאור", "title": "מהנדס"})));
        assert!(of(json!({"fullName": "ליאור"})));
        assert!(!of(json!({"fullName": "ליאור", "title": "Engineer"})));
        assert!(!of(json!({"fullName": "123", "title": "456"})));
    }
}
