//! Arguments that the commands on objects share, named as those of kubectl.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{
    super::{BadArgument, kubeconfig::Access},
    kinds::Target,
    output::Output,
};

/// Which API server, as which user.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterArgs {
    /// Namespace of the objects. Default: that of the context.
    #[arg(short = 'n', long, value_name = "NS")]
    pub(super) namespace: Option<String>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig. Default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to act as, where the API server allows it.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
}

impl ClusterArgs {
    /// As far as the words of a command line that is not complete say it.
    pub(super) fn of_words(words: &[String]) -> Self {
        let value = |names: &[&str]| {
            let joined = |word: &String| {
                let (name, value) = word.split_once('=')?;
                names.contains(&name).then(|| value.to_owned())
            };
            let apart = |pair: &[String]| names.contains(&&*pair[0]).then(|| pair[1].clone());
            words.iter().find_map(joined).or_else(|| words.windows(2).find_map(apart))
        };
        Self {
            namespace: value(&["-n", "--namespace"]),
            context: value(&["--context"]),
            kubeconfig: value(&["--kubeconfig"]).map(PathBuf::from),
            user: value(&["--as"]),
        }
    }

    /// How the API server is reached.
    pub(super) fn access(&self) -> Access {
        Access {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            user: self.user.clone(),
        }
    }
}

/// Objects that are not named.
#[derive(Debug, Clone, clap::Args)]
pub struct LabelArgs {
    /// All that have these labels in the namespace, e.g. team=sourcing, instead of names.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "targets")]
    pub(super) selector: Option<String>,
}

/// What the commands that request or change something of objects take beside their names.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ActArgs {
    #[command(flatten)]
    pub(super) labels: LabelArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// Give up waiting for the operator after this many seconds. The request or the change remains.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) timeout: u64,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    pub(super) output: Output,
}

impl ActArgs {
    /// Whether the result is JSON.
    pub(super) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Where objects are, if not in a cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct StateArgs {
    /// The state folder of `apply`, instead of a cluster.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["context", "kubeconfig", "user"])]
    pub(super) state: Option<PathBuf>,
}

/// Which objects are listed.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// The objects of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(super) all_namespaces: bool,
    /// Only objects with these labels, e.g. team=sourcing.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "state")]
    pub(super) selector: Option<String>,
}

impl ListArgs {
    /// Refuses a name together with -A.
    pub(super) fn check_one(&self, target: &Target) -> Result<(), BadArgument> {
        if self.all_namespaces {
            let text = format!("{target}: a name is looked up in one namespace, not with -A");
            return Err(BadArgument(anyhow!(text)));
        }
        Ok(())
    }
}
