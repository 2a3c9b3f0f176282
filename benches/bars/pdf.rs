//! Profiles as PDF documents: processor time of a page, and memory of one document about 5,000 people.

use std::{fs, time::Instant};

use anyhow::{Context as _, ensure};
use clinch_operator::{
    domain::Profile,
    render::{Fonts, PageSetup, render},
    source::Part,
};

use crate::{Row, encoding::decoded, ledger::Memory, people::ndjson};

const PEOPLE: usize = 5_000;
const ALONE: usize = 500;

/// Processor time of this process so far, in milliseconds. The kernel counts ticks of 10 ms.
fn processor_ms() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(") ").context("no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Ok((ticks(11).context("no utime")? + ticks(12).context("no stime")?) * 10.0)
}

pub(crate) fn measure() -> anyhow::Result<Vec<Row>> {
    let part = Part { name: "bench".into(), bytes: ndjson(PEOPLE), format: None };
    let people: Vec<Profile> = decoded(&part).collect();
    ensure!(people.len() == PEOPLE, "{} profiles", people.len());
    let (fonts, setup) = (Fonts::built_in(), PageSetup::default());

    let before = processor_ms()?;
    let mut bytes = 0;
    for person in &people[..ALONE] {
        bytes += render(std::slice::from_ref(person), &fonts, &setup)?.bytes.len();
    }
    let alone = (processor_ms()? - before) / ALONE as f64;

    let memory = Memory::start()?;
    let (before, start) = (processor_ms()?, Instant::now());
    let combined = render(&people, &fonts, &setup)?;
    let page = (processor_ms()? - before) / combined.pages as f64;
    let (took, grown) = (start.elapsed().as_secs_f64(), memory.grown()?);
    Ok(vec![
        Row::at_most("documents of one page each: processor time", alone, 3.0, "ms"),
        Row::shown("  size of one", format!("{} KiB", bytes / ALONE / 1024)),
        Row::at_most("one document, 5,000 people: processor time a page", page, 3.0, "ms"),
        Row::shown("  pages", combined.pages.to_string()),
        Row::shown("  size", format!("{} MiB", combined.bytes.len() >> 20)),
        Row::shown("  duration", format!("{took:.1} s")),
        Row::at_most("  memory beyond the profiles (VmHWM)", grown, 256.0, "MiB"),
    ])
}
