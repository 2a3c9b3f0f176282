//! `clinch-operator crds`: prints the CRDs, or writes one file each.

use std::{io::Write, path::PathBuf};

use anyhow::Context;

/// Prints the CustomResourceDefinitions as YAML, or writes them to a folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write one file per CRD into this folder instead.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let files = crate::api::crds_yaml().context("cannot write the CRDs as YAML")?;
    match &args.dir {
        None => {
            let mut out = std::io::stdout().lock();
            for (_, yaml) in files {
                write!(out, "---\n{yaml}").context("cannot write to standard output")?;
            }
        }
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
            for (name, yaml) in files {
                let path = dir.join(name);
                std::fs::write(&path, yaml)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}
