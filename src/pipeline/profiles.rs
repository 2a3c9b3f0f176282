//! The addresses of LinkedIn and GitHub profiles, as they are compared. Pure.

use serde_json::Value;

use crate::{
    domain::{Profile, profile_address},
    ledger::Keys,
};

/// Most addresses of one person that are compared.
const MOST: usize = 8;

/// The keyed hash of an address.
pub(super) type ProfileHash = u64;

/// The hash of the address of a profile; `None` for any other text.
pub(super) fn hash_of(keys: &Keys, text: &str) -> Option<ProfileHash> {
    let digest = keys.payload_digest(&("profile", profile_address(text)?));
    let (first, _) = digest.0.split_first_chunk().expect("a digest has 16 bytes");
    Some(u64::from_be_bytes(*first))
}

/// Those of a person of a source.
pub(super) fn hashes_of(keys: &Keys, profile: &Profile) -> Box<[ProfileHash]> {
    let links = profile.members().get("socialLinks").and_then(Value::as_array);
    let urls = links.into_iter().flatten().filter_map(|link| link.get("url")?.as_str());
    urls.filter_map(|url| hash_of(keys, url)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_of_profiles_are_hashed_and_others_left_out() {
        let keys = Keys::derive(&[7; 32], "uid");
        let hashes = |links: Value| {
            let profile = Profile::try_from(json!({"socialLinks": links})).unwrap();
            hashes_of(&keys, &profile)
        };
        let found = hashes(json!([
            {"kind": "linkedin", "url": "https://www.linkedin.com/in/Ada/"},
            {"kind": "other", "url": "github.com/ada"},
            {"kind": "linkedin", "url": "https://example.org/in/ada"},
            {"kind": "linkedin"}, "text", null,
        ]));
        let expected = ["linkedin.com/in/ada", "https://github.com/Ada"];
        assert_eq!(*found, expected.map(|url| hash_of(&keys, url).unwrap()));
        let many: Vec<Value> =
            (0..20).map(|n| json!({"url": format!("https://github.com/ada{n}")})).collect();
        assert_eq!(hashes(json!(many)).len(), MOST);
        assert!(hashes(json!("none")).is_empty());
        let others = Keys::derive(&[8; 32], "uid");
        assert_ne!(hash_of(&keys, "github.com/ada"), hash_of(&others, "github.com/ada"), "keyed");
    }
}
