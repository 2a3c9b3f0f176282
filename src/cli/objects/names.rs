//! The names of a cluster's objects, for completion. What cannot be read has no names.

use std::time::Duration;

use super::{args::ClusterArgs, cluster::Objects, kinds::word, suspend::can_be_suspended};
use crate::cluster::Kind;

/// How long somebody waits for a completion.
const WITHIN: Duration = Duration::from_secs(3);

/// Which names are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Names {
    /// Of exports.
    Exports,
    /// Of integrations.
    Integrations,
    /// Of kinds that can be suspended, with the kind.
    Suspendable,
    /// Of all kinds, with the kind.
    All,
}

/// The names in the namespace that these words of a command line name.
pub(in crate::cli) async fn of(names: Names, words: &[String]) -> Vec<String> {
    let found = tokio::time::timeout(WITHIN, read(names, words)).await;
    found.ok().and_then(Result::ok).unwrap_or_default()
}

async fn read(names: Names, words: &[String]) -> anyhow::Result<Vec<String>> {
    let cluster = Objects::connect(&ClusterArgs::of_words(words)).await?;
    let kinds = match names {
        Names::Exports => vec![Kind::Export],
        Names::Integrations => vec![Kind::Integration],
        Names::Suspendable => {
            Kind::ALL.into_iter().filter(|kind| can_be_suspended(*kind)).collect()
        }
        Names::All => Kind::ALL.to_vec(),
    };
    let has_kind = matches!(names, Names::Suspendable | Names::All);
    let mut all = Vec::new();
    for kind in kinds {
        for found in cluster.list(kind, Some(&cluster.namespace), None).await? {
            let name = found.key.name;
            all.push(if has_kind { format!("{}/{name}", word(kind)) } else { name });
        }
    }
    Ok(all)
}
