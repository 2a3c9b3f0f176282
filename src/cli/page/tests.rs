use serde_json::{Value, json};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn made(objects: &[Value]) -> String {
    page(objects, at("2026-11-26T09:30:00Z"))
}

fn ready(status: &str, reason: &str, message: &str) -> Value {
    condition("Ready", status, reason, message)
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-26T09:00:00Z",
    })
}

fn export() -> Value {
    json!({
        "apiVersion": "clinch.hireez.dev/v1alpha1",
        "kind": "CandidateExport",
        "metadata": {"name": "engineers", "namespace": "talent"},
        "spec": {
            "integrationRef": {"name": "clinch"},
            "source": {"inline": [{"firstName": "Secretname", "emails": ["jane@example.com"]}]},
            "destination": {"prospect": {}},
        },
        "status": {
            "conditions": [ready("True", "SyncedWithRejections", "1498/1500 <delivered> & 2 rejected")],
            "counts": {
                "read": 1600, "notSelected": 100, "total": 1500, "created": 1400, "updated": 90,
                "unchanged": 8, "skipped": 0, "invalid": 1, "failed": 1, "pending": 0,
            },
            "failures": [{
                "position": "people.csv line 3", "reason": "MatchKeyMissing",
                "message": "no e-mail address",
            }],
            "failuresOmitted": 1,
            "rejectedByReason": [
                {"reason": "MatchKeyMissing", "count": 1},
                {"reason": "InvalidValue", "place": "spec.fields[3].from", "count": 1},
            ],
            "coverage": {
                "records": 1500,
                "fields": [{"attribute": "phone_number", "filled": 1200}],
            },
            "history": [{
                "revision": "r", "mode": "Push", "outcome": "SyncedWithRejections",
                "startedAt": "2026-11-26T09:26:00Z", "finishedAt": "2026-11-26T09:29:20Z",
                "counts": {
                    "total": 1500, "created": 1400, "updated": 90, "unchanged": 8, "skipped": 0,
                    "invalid": 1, "failed": 1, "pending": 0,
                },
            }],
        },
    })
}

fn other(kind: &str, conditions: &[Value]) -> Value {
    json!({
        "kind": kind,
        "metadata": {"name": "x", "namespace": "talent"},
        "status": {"conditions": conditions},
    })
}

#[test]
fn the_page_shows_what_became_of_an_export_and_no_value_of_a_person() {
    let page = made(&[export()]);
    for shown in [
        "talent/engineers",
        "SyncedWithRejections",
        "1498/1500 &lt;delivered&gt; &amp; 2 rejected",
        "1,400",
        "1,600 records read, 100 of them not selected",
        "people.csv line 3",
        "and 1 more",
        "spec.fields[3].from",
        "1,200 of 1,500",
        "3 min 20 s",
        "2026-11-26 09:26 UTC",
        "The object is as declared.",
        "aria-label=\"1,400 created, 90 updated, 8 unchanged, 2 rejected\"",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    for hidden in ["Secretname", "jane@example.com"] {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let page = made(&[export()]);
    for outside in ["<script", "http://", "https://", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}: {page}");
    }
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
}

#[test]
fn a_dry_run_says_would() {
    let mut export = export();
    export["spec"]["mode"] = json!("DryRun");
    let page = made(&[export]);
    assert!(page.contains("would be created") && page.contains("Dry run"), "{page}");
}

#[test]
fn people_are_written_to_files_and_what_is_listed_need_not_be_rejected() {
    let mut export = export();
    export["spec"]["destination"] =
        json!({"file": {"format": "CSV", "to": {"url": "s3://x/<p>.csv"}}});
    export["status"]["report"] = json!({
        "url": "s3://x/r.csv", "lines": 1500, "bytes": 9000, "sha256": "0", "writtenAt": "2026-11-26T09:29:20Z",
    });
    export["status"]["counts"]["warnings"] = json!(3);
    assert!(made(&[export.clone()]).contains("Records with a remark"));
    export["status"]["counts"]["warnings"] = json!(0);
    let page = made(&[export.clone()]);
    assert!(page.contains("1,400 written") && !page.contains("reated"), "{page}");
    assert!(page.contains("s3://x/r.csv</code><br>1,500 lines, 9,000 bytes"), "{page}");
    assert!(page.contains("Rejected records") && !page.contains("remark"), "{page}");
    export["spec"]["mode"] = json!("DryRun");
    assert!(made(&[export]).contains("1,400 would be written"));
}

#[test]
fn the_first_sentence_counts_what_needs_attention() {
    let good = other("FieldMapping", &[ready("True", "Compiled", "9 fields")]);
    let fresh = other("FieldMapping", &[]);
    let stalled = other(
        "ClinchIntegration",
        &[
            ready("False", "CredentialsRejected", "rejected"),
            condition("Stalled", "True", "CredentialsRejected", "rejected"),
        ],
    );
    let suspended = other(
        "ClinchIntegration",
        &[
            ready("False", "Suspended", "spec.suspend"),
            condition("Suspended", "True", "Suspended", "spec.suspend"),
        ],
    );
    let waiting = other("CandidateExport", &[ready("False", "AwaitingApproval", "waits")]);
    let cases = [
        (vec![], "There is no object."),
        (vec![good.clone(), suspended], "All 2 objects are as declared."),
        (vec![good.clone(), stalled.clone()], "1 of 2 objects needs attention."),
        (vec![good, fresh, stalled, waiting], "3 of 4 objects need attention."),
    ];
    for (objects, expected) in cases {
        let page = made(&objects);
        assert!(page.contains(expected), "{expected}: {page}");
    }
}
