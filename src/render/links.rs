//! Addresses that a reader can click. A profile selects where they lead, so only four schemes are
//! linked, and what is shown is where they lead.

use serde::Serialize;
use url::Url;

/// A text, and where it leads if it leads anywhere.
#[derive(Serialize, Clone)]
pub(super) struct Link {
    /// What kind of place it is, e.g. `LinkedIn`.
    pub kind: Option<String>,
    pub text: String,
    pub target: Option<String>,
}

pub(super) fn mail(address: String) -> Link {
    // Characters that would add recipients or a text to the message are not linked.
    let plain = address.contains('@')
        && address.chars().all(|c| c.is_ascii_alphanumeric() || "@.+-_'".contains(c));
    let target = plain.then(|| format!("mailto:{address}"));
    Link { kind: None, text: address, target }
}

pub(super) fn phone(number: String) -> Link {
    let digits: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let international = digits.starts_with('+') && digits.len() > 5;
    let target = international.then(|| format!("tel:{digits}"));
    Link { kind: None, text: number, target }
}

pub(super) fn web(url: &str, kind: Option<String>) -> Link {
    let kind = kind.map(|kind| known(&kind));
    let target = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // Credentials in front of a host make it look like another one.
    let target = target.filter(|url| url.username().is_empty() && url.password().is_none());
    Link { kind, text: short(url), target: target.map(String::from) }
}

fn short(url: &str) -> String {
    let text = url.trim_start_matches("https://").trim_start_matches("http://");
    let text = text.strip_prefix("www.").unwrap_or(text);
    text.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(text).to_owned()
}

fn known(kind: &str) -> String {
    const NAMES: [&str; 10] = [
        "LinkedIn",
        "GitHub",
        "GitLab",
        "Facebook",
        "Instagram",
        "YouTube",
        "Stack Overflow",
        "Xing",
        "Twitter",
        "Website",
    ];
    let folded = |name: &str| name.replace([' ', '_', '-'], "").to_lowercase();
    let name = NAMES.into_iter().find(|name| folded(name) == folded(kind));
    name.unwrap_or(kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_lead_to_what_they_show() {
        let link = web("https://www.example.com/in/ada/", Some("linkedin".to_owned()));
        assert_eq!(link.text, "example.com/in/ada");
        assert_eq!(link.kind.as_deref(), Some("LinkedIn"));
        assert_eq!(link.target.as_deref(), Some("https://www.example.com/in/ada/"));
    }

    #[test]
    fn other_schemes_and_disguised_hosts_are_shown_and_not_linked() {
        for url in
            ["javascript:alert(1)", "file:///etc/passwd", "https://good.example@evil.example/"]
        {
            assert_eq!(web(url, None).target, None, "{url}");
        }
        assert_eq!(mail("a@example.org?bcc=b@example.org".to_owned()).target, None);
        assert_eq!(mail("a@example.org".to_owned()).target.unwrap(), "mailto:a@example.org");
        assert_eq!(phone("020 7946".to_owned()).target, None);
        assert_eq!(phone("+44 20 7946 0958".to_owned()).target.unwrap(), "tel:+442079460958");
    }
}
