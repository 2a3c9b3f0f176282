//! How an emulator is set up, by code or by files. Reads files when asked to.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    check::{check_faults, check_seed},
    contract::SandboxContract,
    faults::Fault,
    state::Job,
};

/// Why an emulator cannot be set up.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// `NAME:KEY:SECRET` it is not.
    #[error("a credential is written NAME:KEY:SECRET")]
    Credential,
    /// A file cannot be read.
    #[error("cannot read {0}")]
    Read(String, #[source] std::io::Error),
    /// A file is not of its form.
    #[error("{0} is not as expected: {1}")]
    Parse(String, String),
}

/// An API credential.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// Its name in Clinch: the source of whoever it creates.
    pub name: String,
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret: String,
    /// The account; by default the credential's name.
    #[serde(default)]
    pub account: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credential {
    /// A credential of the account that bears its name.
    pub fn new(name: &str, access_key: &str, secret: &str) -> Self {
        Self {
            name: name.to_owned(),
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
            account: None,
        }
    }

    /// Reads `NAME:KEY:SECRET`; the secret may hold colons.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(key), Some(secret)) if !name.is_empty() && !key.is_empty() => {
                Ok(Self::new(name, key, secret))
            }
            _ => Err(OptionsError::Credential),
        }
    }

    pub(super) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(&self.name)
    }
}

/// What an account has from the start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    pub(super) jobs: Vec<Job>,
    /// Attributes by built-in name.
    pub(super) people: Vec<Map<String, Value>>,
}

/// How an emulator is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The credentials; none: `hireEZ:AKSANDBOX:sandbox-secret`.
    pub credentials: Vec<Credential>,
    /// What it offers.
    pub contract: SandboxContract,
    /// How it misbehaves.
    pub faults: Vec<Fault>,
    /// How long every answer takes at least.
    pub latency: Duration,
    /// A file from which data is loaded at the start, and in which it is kept at a graceful stop.
    pub data: Option<PathBuf>,
    /// What accounts have from the start, by account name.
    pub seeds: BTreeMap<String, Seed>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            credentials: Vec::new(),
            contract: SandboxContract::default(),
            faults: Vec::new(),
            latency: Duration::ZERO,
            data: None,
            seeds: BTreeMap::new(),
        }
    }
}

impl Options {
    /// With one credential.
    #[must_use]
    pub fn with_credential(mut self, name: &str, access_key: &str, secret: &str) -> Self {
        self.credentials.push(Credential::new(name, access_key, secret));
        self
    }

    /// Adds the credentials of a file.
    pub fn read_credentials(&mut self, path: &Path) -> Result<(), OptionsError> {
        self.credentials.extend(read::<Vec<Credential>>(path)?);
        Ok(())
    }

    /// Takes the contract of a file.
    pub fn read_contract(&mut self, path: &Path) -> Result<(), OptionsError> {
        let contract: SandboxContract = read(path)?;
        contract.check().map_err(|problem| not_as_expected(path, problem))?;
        self.contract = contract;
        Ok(())
    }

    /// Takes the faults of a file.
    pub fn read_faults(&mut self, path: &Path) -> Result<(), OptionsError> {
        let faults: Vec<Fault> = read(path)?;
        check_faults(&faults).map_err(|problem| not_as_expected(path, problem))?;
        self.faults = faults;
        Ok(())
    }

    /// Takes what accounts have from the start from a file: by account name.
    pub fn read_seed(&mut self, path: &Path) -> Result<(), OptionsError> {
        let seeds: BTreeMap<String, Seed> = read(path)?;
        for (account, seed) in &seeds {
            check_seed(account, seed).map_err(|problem| not_as_expected(path, problem))?;
        }
        self.seeds = seeds;
        Ok(())
    }
}

/// YAML, of which JSON is a part.
fn read<T: DeserializeOwned>(path: &Path) -> Result<T, OptionsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| OptionsError::Read(path.display().to_string(), error))?;
    parse(&text).map_err(|problem| not_as_expected(path, problem))
}

fn not_as_expected(path: &Path, problem: String) -> OptionsError {
    OptionsError::Parse(path.display().to_string(), problem)
}

/// Reads YAML.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}
