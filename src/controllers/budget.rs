//! How many records may fail. Pure.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How many of `total` a budget allows.
pub(super) fn allowed(budget: &IntOrString, total: i64) -> i64 {
    match budget {
        IntOrString::Int(count) => i64::from(*count),
        IntOrString::String(percent) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap_or(0);
            total.saturating_mul(percent) / 100
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_counts_or_whole_records_of_a_percentage() {
        assert_eq!(allowed(&IntOrString::Int(3), 100), 3);
        assert_eq!(allowed(&IntOrString::String("2%".into()), 199), 3);
        assert_eq!(allowed(&IntOrString::String("0%".into()), 199), 0);
    }
}
