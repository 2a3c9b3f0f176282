//! How long the command `validate` takes for many manifests, as a process.

use std::{
    fmt::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{Row, people::median};

const OBJECTS: usize = 1_000;
const FILES: usize = 20;
const ROUNDS: usize = 5;
const BAR: f64 = 2.0;

pub(crate) fn measure() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    write(folder.path())?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(validate(folder.path())?.as_secs_f64());
    }
    let what = format!("{OBJECTS} objects in {FILES} files");
    Ok(vec![Row::at_most(&what, median(times), BAR, "s")])
}

fn validate(folder: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["validate", "--strict", "-f"])
        .arg(folder)
        .output()
        .context("cannot run clinch-operator")?;
    let took = started.elapsed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    // And the Secret.
    ensure!(OBJECTS + 1 == 1001, "the text below names that number");
    let expected = "1,001 objects: 1,001 valid";
    ensure!(output.status.success() && text.contains(expected), "{text}{errors}");
    Ok(took)
}

/// An integration, a tenth of mappings, and exports that use them.
fn write(folder: &Path) -> anyhow::Result<()> {
    let mut files = vec![String::new(); FILES];
    let mappings = OBJECTS / 10;
    for number in 0..OBJECTS {
        let object = match number {
            0 => "kind: ClinchIntegration\nmetadata: {name: clinch, namespace: talent}\nspec:\n  \
                  region: EU\n  environment: Sandbox\n  credentialName: hireEZ\n  credentials: \
                  {secretRef: {name: clinch}}\n  pushPermission: {prospects: Allowed}\n"
                .to_owned(),
            number if number < mappings => mapping(number),
            number => export(number, 1 + number % (mappings - 1)),
        };
        let file = &mut files[number % FILES];
        write!(file, "---\napiVersion: clinch.hireez.dev/v1alpha1\n{object}")?;
    }
    files[0].push_str(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: clinch, namespace: talent}\nstringData: \
         {accessKey: K, secretKey: S}\n",
    );
    for (number, text) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yaml")), text)?;
    }
    Ok(())
}

fn mapping(number: usize) -> String {
    format!(
        "kind: FieldMapping\nmetadata: {{name: m{number}, namespace: talent}}\nspec:\n  fields:\n    - \
         {{to: email, from: 'emails[0].value', required: true}}\n    - {{to: first_name, from: \
         firstName}}\n    - {{to: seniority, expression: \"candidate.title.contains('Senior') ? 'senior' : \
         'other'\"}}\n"
    )
}

fn export(number: usize, mapping: usize) -> String {
    format!(
        "kind: CandidateExport\nmetadata: {{name: e{number}, namespace: talent}}\nspec:\n  \
         integrationRef: {{name: clinch}}\n  fieldMappingRef: {{name: m{mapping}}}\n  source:\n    \
         inline:\n      - {{firstName: Ann, emails: [{{value: ann{number}@example.com}}]}}\n      - \
         {{firstName: Bob, emails: [{{value: bob{number}@example.com}}]}}\n  select: \
         candidate.firstName != 'Zoe'\n  schedule: {{cron: '{} 3 * * *'}}\n  destination: {{prospect: \
         {{}}}}\n",
        number % 60
    )
}
