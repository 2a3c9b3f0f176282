//! The words that a document adds to a profile, by language.

/// Headings and other words of one language.
pub(super) struct Words {
    /// BCP 47 tag.
    pub language: &'static str,
    pub summary: &'static str,
    pub experience: &'static str,
    pub education: &'static str,
    pub certifications: &'static str,
    pub skills: &'static str,
    pub languages: &'static str,
    pub tags: &'static str,
    pub links: &'static str,
    pub present: &'static str,
    pub unnamed: &'static str,
    /// Title of a document about several people.
    pub profiles: &'static str,
    page: &'static str,
    of: &'static str,
    years: &'static str,
    months: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    summary: "Summary",
    experience: "Experience",
    education: "Education",
    certifications: "Certifications",
    skills: "Skills",
    languages: "Languages",
    tags: "Tags",
    links: "Links",
    present: "present",
    unnamed: "Candidate",
    profiles: "Candidate profiles",
    page: "page",
    of: "of",
    years: "yr",
    months: "mo",
};

const GERMAN: Words = Words {
    language: "de",
    summary: "Profil",
    experience: "Berufserfahrung",
    education: "Ausbildung",
    certifications: "Zertifikate",
    skills: "Kenntnisse",
    languages: "Sprachen",
    tags: "Schlagwörter",
    links: "Links",
    present: "heute",
    unnamed: "Kandidat",
    profiles: "Kandidatenprofile",
    page: "Seite",
    of: "von",
    years: "J.",
    months: "Mon.",
};

const FRENCH: Words = Words {
    language: "fr",
    summary: "Profil",
    experience: "Expérience",
    education: "Formation",
    certifications: "Certifications",
    skills: "Compétences",
    languages: "Langues",
    tags: "Étiquettes",
    links: "Liens",
    present: "aujourd’hui",
    unnamed: "Candidat",
    profiles: "Profils de candidats",
    page: "page",
    of: "sur",
    years: "a.",
    months: "m.",
};

const SPANISH: Words = Words {
    language: "es",
    summary: "Perfil",
    experience: "Experiencia",
    education: "Formación",
    certifications: "Certificaciones",
    skills: "Competencias",
    languages: "Idiomas",
    tags: "Etiquetas",
    links: "Enlaces",
    present: "actualidad",
    unnamed: "Candidato",
    profiles: "Perfiles de candidatos",
    page: "página",
    of: "de",
    years: "a.",
    months: "m.",
};

/// The words of a locale, English if there are none in its language.
pub(super) fn of(locale: &str) -> &'static Words {
    let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let all: [&Words; 4] = [&ENGLISH, &GERMAN, &FRENCH, &SPANISH];
    all.into_iter().find(|words| words.language == language).unwrap_or(&ENGLISH)
}

impl Words {
    /// The footer's count of pages.
    pub(super) fn page(&self, number: usize, total: usize) -> String {
        format!("{} {number} {} {total}", self.page, self.of)
    }

    /// A number of years and months.
    pub(super) fn duration(&self, years: i32, months: i32) -> String {
        match (years, months) {
            (0, months) => format!("{months} {}", self.months),
            (years, 0) => format!("{years} {}", self.years),
            _ => format!("{years} {} {months} {}", self.years, self.months),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_selects_its_language_and_english_where_there_is_none() {
        assert_eq!(of("de-CH").experience, "Berufserfahrung");
        assert_eq!(of("ja").experience, "Experience");
        assert_eq!(of("").page(2, 3), "page 2 of 3");
    }
}
