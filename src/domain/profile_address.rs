//! The address of a person's profile at LinkedIn or GitHub, in one form. Pure.

use url::Url;

/// The longest address that is looked at.
const LONGEST: usize = 2048;

/// What pages show of the profiles that were requested with them. In the order in which one outweighs
/// another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProfilesShown {
    /// Nothing, as if nobody had requested them.
    #[default]
    Unmentioned,
    /// The profiles of everybody who has one.
    All,
    /// Not those of everybody, or Clinch refuses to show them.
    Missing,
}

/// An address of a profile in the form in which two addresses of one profile are equal; `None` for any
/// other text, such as the address of a company or a repository.
///
/// Scheme, `www.`, the country before `linkedin.com`, case, what follows the name, query and fragment do
/// not count.
pub fn profile_address(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let url = if text.contains("://") {
        Url::parse(text).ok()
    } else {
        Url::parse(&format!("https://{text}")).ok()
    };
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let mut segments = url.path_segments()?.filter(|segment| !segment.is_empty());
    let (site, name) = if host == "linkedin.com" || host.ends_with(".linkedin.com") {
        // Others are of companies, schools and posts.
        let is_person = segments.next()?.eq_ignore_ascii_case("in");
        ("linkedin.com/in", segments.next().filter(|_| is_person)?)
    } else if host == "github.com" {
        let name = segments.next()?;
        // Others are repositories, which many people name.
        ("github.com", Some(name).filter(|_| segments.next().is_none())?)
    } else {
        return None;
    };
    Some(format!("{site}/{}", name.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_profile_are_equal() {
        for text in [
            "https://www.linkedin.com/in/ada-lovelace/",
            "http://linkedin.com/in/Ada-Lovelace",
            " LinkedIn.com/IN/ada-lovelace?trk=x#about ",
            "uk.linkedin.com/in/ada-lovelace",
            "https://linkedin.com/in/ada-lovelace/en",
        ] {
            assert_eq!(
                profile_address(text).as_deref(),
                Some("linkedin.com/in/ada-lovelace"),
                "{text}"
            );
        }
        for text in ["https://github.com/Ada", "www.github.com/ada/", "GITHUB.com/ada?tab=stars"] {
            assert_eq!(profile_address(text).as_deref(), Some("github.com/ada"), "{text}");
        }
        let encoded = profile_address("https://www.linkedin.com/in/m%C3%BCller");
        assert!(encoded.is_some() && encoded == profile_address("linkedin.com/in/müller"));
    }

    #[test]
    fn what_is_no_address_of_a_profile_is_none() {
        for text in [
            "",
            "Ada Lovelace",
            "ada@example.org",
            "https://www.linkedin.com",
            "https://www.linkedin.com/in/",
            "https://www.linkedin.com/company/analytical-engines",
            "https://github.com/ada/engine",
            "https://github.com",
            "https://gist.github.com/ada",
            "https://example.org/in/ada",
            "https://linkedin.com.example.org/in/ada",
            "https://notlinkedin.com/in/ada",
            "ftp://github.com/ada",
            "javascript://github.com/ada",
        ] {
            assert_eq!(profile_address(text), None, "{text}");
        }
        assert_eq!(profile_address(&format!("https://github.com/{}", "a".repeat(LONGEST))), None);
    }
}
