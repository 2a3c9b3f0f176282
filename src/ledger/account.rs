//! A name for a Clinch account, derived from the credential that reached it first. Pure.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

const SALT: &[u8] = b"clinch-operator account v1";

/// Identifies an account in status and in ledgers: a keyed hash of origin and access key, shown as
/// 16 hex digits. Reveals neither without the ledger root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName([u8; 8]);

impl AccountName {
    /// The name of the account that an access key reaches at an origin.
    pub fn of(root: &[u8; 32], origin: &str, access_key: &str) -> Self {
        // Neither contains a zero byte, so no two pairs give the same bytes.
        let info = [origin.as_bytes(), b"\0", access_key.as_bytes()].concat();
        let mut name = [0; 8];
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), root);
        hkdf.expand(&info, &mut name).expect("HKDF-SHA256 gives up to 8160 bytes");
        Self(name)
    }

    /// Parses the form that is shown.
    pub fn parse(text: &str) -> Option<Self> {
        let mut name = [0; 8];
        hex::decode_to_slice(text, &mut name).ok()?;
        Some(Self(name))
    }

    /// The owner that the ledger keys of an export are derived for. It includes the account, so that
    /// what is known of one account is unreadable for another.
    pub fn ledger_of(&self, export_uid: &str) -> String {
        format!("{export_uid}/{self}")
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_access_key_and_root_key_each_change_the_name() {
        let name = AccountName::of(&[7; 32], "https://a.example", "K1");
        assert_eq!(AccountName::parse(&name.to_string()), Some(name));
        assert_eq!(AccountName::parse("not a name"), None);
        for other in [
            AccountName::of(&[8; 32], "https://a.example", "K1"),
            AccountName::of(&[7; 32], "https://b.example", "K1"),
            AccountName::of(&[7; 32], "https://a.example", "K2"),
        ] {
            assert_ne!(name, other);
        }
    }
}
