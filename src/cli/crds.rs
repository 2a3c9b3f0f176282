//! `clinch-operator crds`: prints the CRDs, or writes one file each; also as JSON Schemas and as a reference.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Prints the CustomResourceDefinitions as YAML, or writes them to a folder.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator crds | kubectl apply --server-side -f -\n  \
                             clinch-operator crds --json-schema schemas/"
)]
pub struct Args {
    /// Write one file per CRD into this folder instead.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write a JSON Schema for each kind into this folder, for editors, instead.
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    json_schema: Option<PathBuf>,
    /// Write a Markdown page about the fields of each kind into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dir", "json_schema"])]
    reference: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(dir) = &args.json_schema {
        return write(dir, super::json_schema::schemas()?);
    }
    if let Some(dir) = &args.reference {
        return write(dir, super::reference::pages()?);
    }
    let files = crate::api::crds_yaml().context("cannot write the CRDs as YAML")?;
    if let Some(dir) = &args.dir {
        return write(dir, files);
    }
    let all: Vec<&str> = files.iter().map(|(_, yaml)| yaml.trim_end()).collect();
    super::print_result(&all.join("\n"))
}

fn write(dir: &Path, files: Vec<(String, String)>) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
