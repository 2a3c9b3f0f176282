//! `clinch-operator written`: whom an export has written, for people who have to find them in Clinch, such as
//! after the wrong account was written to.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Serialize;
use url::Url;

use super::{
    super::{
        BadArgument, ExitCode, environment, output_file::OutputFile, print_error, print_result,
        text::Thousands,
    },
    args::ClusterArgs,
    cluster::Objects,
    found::Found,
    kinds::Target,
    stored,
};
use crate::{
    app::{ObjectLedgers, OutboundProxy},
    cluster::Kind,
    conditions::whole_seconds,
    ledger::{
        SegmentStore as _, Steps, StoredSegment, WrittenPeople, WrittenPerson, stored_segments,
        written_people,
    },
    local,
};

/// Lists the people whom an export has written to Clinch, by their ids there.
///
/// For cleaning up, such as after the wrong account was written to: the ledger of the export is read as it
/// is stored, whatever state the export is in. The file has a line for each person: id, steps, writtenBy (the
/// time at which this was recorded: they were written then or earlier) and keys (the same for people of one
/// account). It is pseudonymous personal data, which only you may read.
///
/// In a cluster this needs the right to list candidateledgers.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator written engineers -n talent --to written.csv\n  \
                             clinch-operator written engineers --state .clinch-state --to written.ndjson\n\n\
                             Exit codes:\n    0  written\n    1  the ledger is not complete: there may be others\n    \
                             2  the command line is refused\n    4  could not work: cluster, permissions, store, \
                             file"
)]
pub struct Args {
    /// The export.
    #[arg(value_name = "EXPORT")]
    target: Target,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The state folder of `apply`, instead of a cluster.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["context", "kubeconfig", "user", "ledger_url"])]
    state: Option<PathBuf>,
    /// Where the operator keeps ledgers, if it runs with --ledger-url. Credentials come from the
    /// environment: AWS_*, GOOGLE_*, AZURE_*.
    #[arg(long, value_name = "URL")]
    ledger_url: Option<Url>,
    /// The file, which appears complete or not at all: CSV if its name ends in .csv, else a JSON object on
    /// each line.
    #[arg(long, required = true, value_name = "FILE")]
    to: PathBuf,
}

/// A line of the file. Its members are API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    steps: String,
    written_by: Option<String>,
    keys: String,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (file, _) = OutputFile::prepare("the file", &args.to)?;
    let (export, segments) = match &args.state {
        Some(folder) => of_folder(args, folder)?,
        None => super::super::block_on(of_cluster(args))?,
    };
    let found = written_people(segments);
    let is_csv = args.to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    file.write(|file| write(&found.people, is_csv, file))?;
    print_result(&summary(&export, &found))?;
    let flaws = flaws(&export, &found);
    flaws.iter().for_each(|flaw| print_error(&format!("{}: {flaw}", export.name())));
    Ok(if flaws.is_empty() { ExitCode::Done } else { ExitCode::ActionNeeded })
}

async fn of_cluster(args: &Args) -> anyhow::Result<(Found, Vec<StoredSegment>)> {
    let ledgers = args.ledger_url.as_ref().map(|url| {
        let ledgers = ObjectLedgers::at(url, environment(), &OutboundProxy::default());
        ledgers.context("--ledger-url").map_err(BadArgument)
    });
    let ledgers = ledgers.transpose()?;
    let cluster = Objects::connect(&args.cluster).await?;
    let export = cluster.named(&args.target, Some(Kind::Export)).await?;
    let uid = export.text("/metadata/uid").unwrap_or_default().to_owned();
    let mut segments = cluster.segments(&export.key.namespace, &uid).await?;
    if let Some(ledgers) = ledgers {
        let store = ledgers.of(&uid);
        for seq in store.list().await.context("--ledger-url")? {
            let bytes = store.read(seq).await.context("--ledger-url")?;
            segments.extend(bytes.map(|bytes| StoredSegment { seq, bytes, stored_at: None }));
        }
    }
    Ok((export, segments))
}

fn of_folder(args: &Args, folder: &Path) -> anyhow::Result<(Found, Vec<StoredSegment>)> {
    let namespace = args.cluster.namespace.as_deref();
    let export = stored::one(folder, &args.target, Kind::Export, namespace)?;
    let ledger = folder.join("ledger").join(local::uid(Kind::Export, &export.key));
    let failed = || format!("cannot read {}", ledger.display());
    let segments = stored_segments(&ledger).with_context(failed)?;
    Ok((export, segments))
}

fn write(people: &[WrittenPerson], is_csv: bool, file: &mut dyn Write) -> io::Result<()> {
    if is_csv {
        file.write_all(b"id,steps,writtenBy,keys\n")?;
    }
    for person in people {
        let Line { id, steps, written_by, keys } = line(person);
        if is_csv {
            // No cell needs quotes: ids have none of the characters that do.
            writeln!(file, "{id},{steps},{},{keys}", written_by.unwrap_or_default())?;
        } else {
            serde_json::to_writer(&mut *file, &Line { id, steps, written_by, keys })?;
            file.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Files have finer times than objects of a cluster.
const ALMOST: jiff::SignedDuration = jiff::SignedDuration::new(0, 999_999_999);

const STEPS: [(Steps, &str); 4] = [
    (Steps::CANDIDATE, "candidate"),
    (Steps::APPLICATION, "application"),
    (Steps::RESUME, "resume"),
    (Steps::ACTIVITY, "activity"),
];

fn line(person: &WrittenPerson) -> Line {
    let done = STEPS.into_iter().filter(|(step, _)| person.steps.contains(*step));
    Line {
        id: person.id.to_string(),
        steps: done.map(|(_, name)| name).collect::<Vec<_>>().join(" "),
        // Never earlier than it was.
        written_by: person.written_by.map(|time| whole_seconds(time + ALMOST).to_string()),
        keys: hex::encode(person.keys.0),
    }
}

/// `export/engineers: 1,464 people: 1,464 candidate, 30 application`, by account where there are several.
fn summary(export: &Found, found: &WrittenPeople) -> String {
    let mut accounts: BTreeMap<[u8; 8], Vec<&WrittenPerson>> = BTreeMap::new();
    for person in &found.people {
        accounts.entry(person.keys.0).or_default().push(person);
    }
    let counted = |people: &[&WrittenPerson]| {
        let steps = STEPS.into_iter().filter_map(|(step, name)| {
            let count = people.iter().filter(|person| person.steps.contains(step)).count();
            (count > 0).then(|| format!("{} {name}", thousands(count)))
        });
        format!("{} people: {}", thousands(people.len()), steps.collect::<Vec<_>>().join(", "))
    };
    let name = export.name();
    let mut lines: Vec<String> = match accounts.len() {
        0 => vec![format!("{name}: the ledger names nobody")],
        1 => accounts.values().map(|people| format!("{name}: {}", counted(people))).collect(),
        several => {
            let mut lines = vec![format!("{name}: {several} accounts")];
            lines.extend(accounts.values().filter_map(|people| {
                Some(format!("  keys {}: {}", line(people.first()?).keys, counted(people)))
            }));
            lines
        }
    };
    lines.extend((found.undecided > 0).then(|| {
        format!(
            "{} more people may have been written; their ids are not known",
            thousands(found.undecided)
        )
    }));
    lines.join("\n")
}

fn thousands(count: usize) -> Thousands {
    Thousands(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Why there may be others.
fn flaws(export: &Found, found: &WrittenPeople) -> Vec<String> {
    let mut flaws = Vec::new();
    let expected = export.number("/status/ledger/nextSegment").unwrap_or_default();
    let end = i64::try_from(found.end).unwrap_or(i64::MAX);
    if end < expected {
        flaws.push(format!(
            "the ledger ends before segment {expected}, which its status names: part of it is lost, or is \
             kept elsewhere (--ledger-url)"
        ));
    }
    flaws.extend(found.has_gap.then(|| "segments of the ledger are missing".to_owned()));
    let unreadable = found.unreadable.iter();
    flaws.extend(unreadable.map(|(seq, error)| format!("segment {seq} of the ledger: {error}")));
    flaws
}
