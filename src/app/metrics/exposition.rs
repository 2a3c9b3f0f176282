//! The format for readers that do not ask for OpenMetrics: the text format of Prometheus, version 0.0.4.

use std::{collections::HashSet, fmt::Write as _};

/// The media type of OpenMetrics.
pub(in crate::app) const OPEN_METRICS: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the text format.
pub(in crate::app) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Rewrites OpenMetrics. There, the family of a counter is named without `_total`, the family of an info
/// without `_info`, and there are units and an end mark.
pub(in crate::app) fn classic(open_metrics: &str) -> String {
    let kinds =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let of = |wanted: &str| -> HashSet<&str> {
        kinds.clone().filter(|(_, kind)| *kind == wanted).map(|(name, _)| name).collect()
    };
    let (counters, infos) = (of("counter"), of("info"));
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), name) = (words.next(), words.next(), words.next()) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let (name, rest) = (name.unwrap_or_default(), words.next().unwrap_or_default());
        let suffix = match name {
            name if counters.contains(name) => "_total",
            name if infos.contains(name) => "_info",
            _ => "",
        };
        let rest = if what == "TYPE" && rest == "info" { "gauge" } else { rest };
        if matches!(what, "HELP" | "TYPE") {
            // Writing to a String does not fail.
            let _written = writeln!(text, "# {what} {name}{suffix} {rest}").is_ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples() {
        let open_metrics = "# HELP a_seconds Text with # HELP in it.\n# TYPE a_seconds counter\n\
            # UNIT a_seconds seconds\na_seconds_total 1\n# HELP b B.\n# TYPE b info\n\
            b_info{version=\"1\"} 1\n# TYPE c gauge\nc 2\n# EOF\n";
        let expected = "# HELP a_seconds_total Text with # HELP in it.\n\
            # TYPE a_seconds_total counter\na_seconds_total 1\n# HELP b_info B.\n\
            # TYPE b_info gauge\nb_info{version=\"1\"} 1\n# TYPE c gauge\nc 2\n";
        assert_eq!(classic(open_metrics), expected);
    }
}
