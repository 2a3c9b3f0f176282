//! The manifests that most tests start with, and what they check in the emulator.

use super::world::World;

/// A credential and the integration `acme` that uses it; ORIGIN is put in when it is applied.
pub const INTEGRATION: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: KEY-1, secretKey: secret-1}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {jobs: [{job: ENG-101, stages: [Sourced]}]}
";

/// The credential alone.
pub const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: ACCESS, secretKey: SECRET}
";

/// An export of people from a ConfigMap; the e-mail addresses are the marker of the leak checks.
pub fn export(name: &str, people: usize, rest: &str) -> String {
    let lines: Vec<String> = (0..people)
        .map(|i| format!("    {{\"firstName\":\"First{i}\",\"emails\":[{{\"value\":\"{name}-{i}@marker.example\"}}]}}"))
        .collect();
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data:
  people.ndjson: |
{}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: {name}}}
spec:
  integrationRef: {{name: acme}}
  source: {{configMapRef: {{name: {name}}}}}
{rest}
",
        lines.join("\n")
    )
}

/// An import into a folder, without an interval.
pub fn import(name: &str, folder: &str) -> String {
    format!(
        "
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {{name: {name}}}
spec:
  integrationRef: {{name: acme}}
  sink: {{objectStore: {{url: '{folder}'}}}}
"
    )
}

/// Into the database, without a job.
pub const PROSPECT: &str = "  destination: {prospect: {}}";

/// Everybody in Clinch, in order.
pub fn emails(world: &World) -> Vec<String> {
    let mut emails: Vec<String> = world
        .sandbox
        .people("hireEZ")
        .iter()
        .map(|person| person["attributes"]["email"].as_str().unwrap_or_default().to_owned())
        .collect();
    emails.sort();
    emails
}

/// This many people, and nobody twice.
pub fn assert_each_once(world: &World, people: usize) {
    let all = emails(world);
    let mut unique = all.clone();
    unique.dedup();
    assert_eq!((all.len(), unique.len()), (people, people), "each person exactly once");
}
