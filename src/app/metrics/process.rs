//! The usual metrics of a process, read from `/proc`; absent where there is none.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// Clock ticks in a second, as `/proc` counts them: the same on every architecture in use.
const TICKS: f64 = 100.0;

/// Reads the metrics of this process.
#[derive(Debug)]
pub(super) struct Process {
    /// When it started, in seconds since 1970.
    pub(super) started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let start = "Start of the process, in seconds since 1970.";
        gauge("process_start_time", start, seconds, Some(self.started))?;
        let status = read("status");
        let memory = |key| Some(number(status.as_ref()?, key)? * 1024.0);
        gauge("process_resident_memory", "Resident memory.", bytes, memory("VmRSS:"))?;
        gauge("process_virtual_memory", "Virtual memory.", bytes, memory("VmSize:"))?;
        let open = fs::read_dir("/proc/self/fd").ok();
        let open = open.and_then(|found| u32::try_from(found.count()).ok()).map(f64::from);
        gauge("process_open_fds", "Open file descriptors.", None, open)?;
        let most = read("limits").and_then(|limits| number(&limits, "Max open files"));
        gauge("process_max_fds", "Maximum number of open file descriptors.", None, most)?;
        if let Some(used) = read("stat").as_deref().and_then(cpu_seconds) {
            let metric = ConstCounter::new(used);
            let (help, kind) = ("CPU time of the process.", metric.metric_type());
            metric.encode(encoder.encode_descriptor("process_cpu", help, seconds, kind)?)?;
        }
        Ok(())
    }
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{file}")).ok()
}

/// The number after `key` at the start of a line.
fn number(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time in `/proc/self/stat`. The name of the program may contain anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 9 1000 10 18446744";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
        let limits = "Limit  Soft\nMax open files            1024                 4096    files";
        assert_eq!(number(limits, "Max open files"), Some(1024.0));
        assert_eq!(number(limits, "Max locked memory"), None);
    }
}
