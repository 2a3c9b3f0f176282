//! The emulator's options, from code or from files. Reads files on request.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    check::{check_faults, check_seed},
    contract::SandboxContract,
    faults::Fault,
    seed::Seed,
};

/// Why the options are invalid.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// Not `NAME:KEY:SECRET`.
    #[error("a credential has the form NAME:KEY:SECRET")]
    Credential,
    /// A file cannot be read.
    #[error("cannot read {0}")]
    Read(String, #[source] std::io::Error),
    /// A file is invalid.
    #[error("{0} is invalid: {1}")]
    Parse(String, String),
}

/// An API credential.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// Its name in Clinch: becomes the source of the people it creates.
    pub name: String,
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret: String,
    /// The account. Default: the credential's name.
    #[serde(default)]
    pub account: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credential {
    /// A credential of the account with the same name.
    pub fn new(name: &str, access_key: &str, secret: &str) -> Self {
        Self {
            name: name.to_owned(),
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
            account: None,
        }
    }

    /// Parses `NAME:KEY:SECRET`; the secret may contain colons.
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

/// The emulator's options.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// The credentials. Default: `hireEZ:AKSANDBOX:sandbox-secret`.
    pub credentials: Vec<Credential>,
    /// What the emulator offers.
    pub contract: SandboxContract,
    /// Scripted faults.
    pub faults: Vec<Fault>,
    /// Minimum latency of each response.
    pub latency: Duration,
    /// A file to load data from at start and to save it to on a graceful stop.
    pub data: Option<PathBuf>,
    /// The initial data of accounts, by account name.
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
    /// Adds a credential.
    #[must_use]
    pub fn with_credential(mut self, name: &str, access_key: &str, secret: &str) -> Self {
        self.credentials.push(Credential::new(name, access_key, secret));
        self
    }

    /// Adds the credentials from a file.
    pub fn read_credentials(&mut self, path: &Path) -> Result<(), OptionsError> {
        self.credentials.extend(read::<Vec<Credential>>(path)?);
        Ok(())
    }

    /// Reads the contract from a file.
    pub fn read_contract(&mut self, path: &Path) -> Result<(), OptionsError> {
        let contract: SandboxContract = read(path)?;
        contract.check().map_err(|problem| invalid(path, problem))?;
        self.contract = contract;
        Ok(())
    }

    /// Reads the faults from a file.
    pub fn read_faults(&mut self, path: &Path) -> Result<(), OptionsError> {
        let faults: Vec<Fault> = read(path)?;
        check_faults(&faults).map_err(|problem| invalid(path, problem))?;
        self.faults = faults;
        Ok(())
    }

    /// Reads the initial data of accounts from a file.
    pub fn read_seed(&mut self, path: &Path) -> Result<(), OptionsError> {
        let seeds: BTreeMap<String, Seed> = read(path)?;
        for (account, seed) in &seeds {
            check_seed(account, seed).map_err(|problem| invalid(path, problem))?;
        }
        self.seeds = seeds;
        Ok(())
    }
}

/// YAML, of which JSON is a part.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, OptionsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| OptionsError::Read(path.display().to_string(), error))?;
    parse(&text).map_err(|problem| invalid(path, problem))
}

fn invalid(path: &Path, problem: String) -> OptionsError {
    OptionsError::Parse(path.display().to_string(), problem)
}

/// Reads YAML.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}
