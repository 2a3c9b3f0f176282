//! `clinch-operator written`: whom an export has written, for people who have to find them in Clinch, such as
//! after the wrong account was written to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use url::Url;

use super::{
    super::{
        BadArgument, ExitCode, environment, messages,
        output_file::OutputFile,
        text::{Thousands, count_of},
    },
    acted::{Acted, Part},
    args::ClusterArgs,
    cluster::Objects,
    found::Found,
    kinds::Target,
    output::Output,
    requests, stored,
    waiting::{self, Waited},
};
use crate::{
    api::WrittenSeen,
    app::{ObjectLedgers, OutboundProxy},
    cluster::Kind,
    ledger::{AccountName, Believed, FolderStore, Keys, WrittenPeople, written_people},
    local,
    pipeline::{LineFormat, WRITTEN_STEPS, WrittenCounts, WrittenFile},
};

/// Lists the people whom an export has written to Clinch, by their ids there.
///
/// For cleaning up, such as after the wrong account was written to: the ledger of the export is read as it
/// is stored, whatever state the export is in. The list has a line for each person: id, outcome (Created,
/// Updated, Unchanged; empty if it was not recorded), steps, writtenBy (the time at which this was recorded:
/// they were written then or earlier) and keys (the same for people of one account). It is pseudonymous
/// personal data.
///
/// The operator authenticates the ledger, and writes the list beside the report of the export: `spec.report`
/// and the integration say where that may be. With --to, the command reads the ledger itself, which needs the
/// right to list candidateledgers, and writes a file that only you may read. It cannot authenticate the
/// ledger of a cluster; that of a state folder it can, with the key in it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator written engineers -n talent\n  \
                             clinch-operator written engineers -n talent -o json | jq '.[].written.report.url'\n  \
                             clinch-operator written engineers -n talent --to written.csv\n  \
                             clinch-operator written engineers --state .clinch-state --to written.ndjson\n\n\
                             Exit codes:\n    0  written\n    1  the list is not complete, or is not permitted\n    \
                             2  the command line is refused\n    3  time ran out\n    \
                             4  could not work: cluster, permissions, store, file")]
pub struct Args {
    /// The export.
    #[arg(value_name = "EXPORT")]
    target: Target,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The state folder of `apply`, instead of a cluster.
    #[arg(
        long,
        value_name = "DIR",
        requires = "to",
        conflicts_with_all = ["context", "kubeconfig", "user", "ledger_url"]
    )]
    state: Option<PathBuf>,
    /// Where the operator keeps ledgers, if it runs with --ledger-url. Credentials come from the
    /// environment: AWS_*, GOOGLE_*, AZURE_*.
    #[arg(long, value_name = "URL", requires = "to")]
    ledger_url: Option<Url>,
    /// A file on this machine, which appears complete or not at all: CSV if its name ends in .csv, else a
    /// JSON object on each line; compressed if .gz follows. Default: the operator writes the list beside the
    /// report of the export.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Give up waiting for the operator after this many seconds. The request remains.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", conflicts_with = "to")]
    timeout: u64,
    /// Format of the result on standard output: the export, and how many people were listed.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

impl Args {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let acted = Acted::new(args.output, Some(Part::Written));
    let code = match &args.to {
        Some(to) => to_file(args, to, &acted)?,
        None => super::super::block_on(by_operator(args, &acted))?,
    };
    acted.print()?;
    Ok(code)
}

/// Requests the list from the operator, and waits for it.
async fn by_operator(args: &Args, acted: &Acted) -> anyhow::Result<ExitCode> {
    let cluster = Objects::connect(&args.cluster).await?;
    let export = cluster.named(&args.target, &[Kind::Export]).await?;
    let name = export.name();
    let (export, value) = requests::ask(&cluster, &export, requests::LIST).await?;
    let has_receipt = |found: &Found| found.text(requests::LIST.receipt) == Some(&*value);
    let deadline = waiting::deadline(args.timeout);
    let found = match waiting::until(&cluster, &export, deadline, has_receipt).await? {
        Waited::Until(found) => found,
        Waited::Deleted => return requests::deleted(&name),
        Waited::TimedOut(_) => {
            let text = format!(
                "{name}: the list is requested, and the operator has not written it yet (--timeout): is it \
                 running, and does it watch this namespace?"
            );
            messages::ended(ExitCode::TimedOut, &text);
            return Ok(ExitCode::TimedOut);
        }
    };
    let Some(seen) = found.part::<WrittenSeen>("/status/written") else {
        anyhow::bail!(
            "{name}: the status has no list, although the operator has acted on the request"
        );
    };
    if let Some(report) = &seen.report {
        acted.say(&found, &format!("{name}: {}\n  {}", listed(&seen), report.url))?;
    }
    match (&seen.report, &seen.message) {
        (Some(_), Some(message)) => messages::warn(&format!("{name}: {message}")),
        (None, message) => {
            let why = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            let text = format!("{name}: nothing was written{why}");
            messages::ended(ExitCode::ActionNeeded, &text);
        }
        (Some(_), None) => {}
    }
    if seen.report.is_none() {
        messages::hint(
            "--to FILE writes a list here, which cannot be authenticated without the operator's key",
        );
    }
    let is_complete = seen.report.is_some() && seen.message.is_none();
    Ok(if is_complete { ExitCode::Done } else { ExitCode::ActionNeeded })
}

/// `3 people: 1 created, 2 updated`.
fn listed(seen: &WrittenSeen) -> String {
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    outcomes(&WrittenCounts {
        created: number(seen.created),
        updated: number(seen.updated),
        unchanged: number(seen.unchanged),
        unknown: number(seen.unknown),
    })
}

/// Reads the ledger with the rights of the user, and writes a file.
fn to_file(args: &Args, to: &Path, acted: &Acted) -> anyhow::Result<ExitCode> {
    let (file, _) = OutputFile::prepare("the file", to)?;
    let (export, found) = super::super::block_on(async {
        match &args.state {
            Some(folder) => of_folder(args, folder).await,
            None => of_cluster(args).await,
        }
    })?;
    let mut lines = WrittenFile::new(LineFormat::of_name(&to.to_string_lossy()));
    file.write(|file| {
        for person in found.people() {
            if let Some(piece) = lines.add(&person) {
                file.write_all(&piece)?;
            }
        }
        file.write_all(&lines.finish())
    })?;
    acted.say_with(&export, &summary(&export, &found), Some(counted(&found, to)))?;
    if found.unauthenticated > 0 {
        let why = match &args.state {
            Some(_) => "their key is not in the folder",
            None => "only the operator has the key",
        };
        let segments = count_of(found.unauthenticated, "segment", "segments");
        messages::warn(&format!(
            "{}: {segments} of the ledger cannot be authenticated here, because {why}: it is not known \
             whether somebody has changed them",
            export.name()
        ));
    }
    let expected = export.number("/status/ledger/nextSegment");
    let flaws = found.flaws(expected.and_then(|expected| u64::try_from(expected).ok()));
    flaws.iter().for_each(|flaw| messages::warn(&format!("{}: {flaw}", export.name())));
    Ok(if flaws.is_empty() { ExitCode::Done } else { ExitCode::ActionNeeded })
}

async fn of_cluster(args: &Args) -> anyhow::Result<(Found, WrittenPeople)> {
    let ledgers = args.ledger_url.as_ref().map(|url| {
        let ledgers = ObjectLedgers::at(url, environment(), &OutboundProxy::default());
        ledgers.context("--ledger-url").map_err(BadArgument)
    });
    let ledgers = ledgers.transpose()?;
    let cluster = Objects::connect(&args.cluster).await?;
    let export = cluster.named(&args.target, &[Kind::Export]).await?;
    let uid = export.text("/metadata/uid").unwrap_or_default().to_owned();
    let mut segments = cluster.segments(&export.key.namespace, &uid).await?;
    if let Some(ledgers) = ledgers {
        segments.add_all(&ledgers.of(&uid)).await.context("--ledger-url")?;
    }
    let found = written_people(&segments, Believed::AlsoOthers(&[])).await?;
    Ok((export, found))
}

async fn of_folder(args: &Args, folder: &Path) -> anyhow::Result<(Found, WrittenPeople)> {
    let namespace = args.cluster.namespace.as_deref();
    let export = stored::one(folder, &args.target, Kind::Export, namespace)?;
    let uid = local::uid(Kind::Export, &export.key);
    let ledger = folder.join("ledger").join(&uid);
    let keys = keys_of(folder, &uid)?;
    let keys: Vec<&Keys> = keys.iter().collect();
    let found = written_people(&FolderStore::new(&ledger), Believed::AlsoOthers(&keys)).await;
    let found = found.with_context(|| format!("cannot read {}", ledger.display()))?;
    Ok((export, found))
}

/// The keys of an export for each account that an integration of a state folder has.
fn keys_of(folder: &Path, uid: &str) -> anyhow::Result<Vec<Keys>> {
    let root = local::stored_root_key(folder);
    let root = root.with_context(|| format!("cannot read the key in {}", folder.display()))?;
    let Some(root) = root else { return Ok(Vec::new()) };
    let objects = stored::all(folder, None)?;
    let integrations = objects.iter().filter(|found| found.kind == Kind::Integration);
    let accounts =
        integrations.filter_map(|found| AccountName::parse(found.text("/status/account/id")?));
    Ok(accounts.map(|account| Keys::of(&root, account, uid)).collect())
}

/// What is known of the people of one account.
#[derive(Default)]
struct Account {
    counts: WrittenCounts,
    /// How many have each of the steps.
    steps: [u64; WRITTEN_STEPS.len()],
}

impl Account {
    /// `1,464 people: 1,200 created, 264 updated; steps: 1,464 candidate, 30 application`.
    fn words(&self) -> String {
        let steps: Vec<_> =
            self.steps.into_iter().zip(WRITTEN_STEPS.map(|(_, name)| name)).collect();
        format!("{}; steps: {}", outcomes(&self.counts), some_of(&steps))
    }
}

/// `1,464 people: 1,200 created, 264 updated`.
fn outcomes(counts: &WrittenCounts) -> String {
    let outcomes = some_of(&[
        (counts.created, "created"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.unknown, "of unknown outcome"),
    ]);
    let people = count_of(counts.people(), "person", "people");
    if outcomes.is_empty() { people } else { format!("{people}: {outcomes}") }
}

/// Those of which there are any.
fn some_of(counts: &[(u64, &str)]) -> String {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let words = some.map(|(count, what)| format!("{} {what}", thousands(*count)));
    words.collect::<Vec<_>>().join(", ")
}

/// `export/engineers: 1,464 people: ...`, by account where there are several.
fn summary(export: &Found, found: &WrittenPeople) -> String {
    let mut accounts: BTreeMap<[u8; 8], Account> = BTreeMap::new();
    for person in found.people() {
        let account = accounts.entry(person.keys.0).or_default();
        account.counts.count(person.effect);
        for (count, (step, _)) in account.steps.iter_mut().zip(WRITTEN_STEPS) {
            *count += u64::from(person.steps.contains(step));
        }
    }
    let name = export.name();
    let mut lines: Vec<String> = match accounts.len() {
        0 => vec![format!("{name}: the ledger names nobody")],
        1 => accounts.values().map(|account| format!("{name}: {}", account.words())).collect(),
        several => {
            let accounts = accounts.iter().map(|(keys, account)| {
                format!("  keys {}: {}", hex::encode(keys), account.words())
            });
            std::iter::once(format!("{name}: {several} accounts")).chain(accounts).collect()
        }
    };
    lines.extend((found.undecided > 0).then(|| {
        let people = count_of(found.undecided, "more person", "more people");
        format!(
            "  {people} may have been written, and the id is not known: the next run finds out; look \
             them up by address"
        )
    }));
    lines.join("\n")
}

/// The numbers for programs, named as in `status.written`.
fn counted(found: &WrittenPeople, to: &Path) -> Json {
    let mut counts = WrittenCounts::default();
    found.people().for_each(|person| counts.count(person.effect));
    let WrittenCounts { created, updated, unchanged, unknown } = counts;
    json!({
        "file": to.display().to_string(),
        "created": created,
        "updated": updated,
        "unchanged": unchanged,
        "unknown": unknown,
        "undecided": found.undecided,
    })
}

fn thousands(count: u64) -> Thousands {
    Thousands(i64::try_from(count).unwrap_or(i64::MAX))
}
