use super::*;
use crate::api::CandidateExportStatus;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn settled(previous: &CandidateExportStatus, verdict: &Verdict, now: i64) -> CandidateExportStatus {
    let mut next = previous.clone();
    apply(previous, &mut next, 3, vec![], verdict, at(now));
    next
}

fn types(status: &CandidateExportStatus) -> Vec<(&str, &str)> {
    status.conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect()
}

fn ready() -> Verdict {
    Verdict::ready(Reason::Synced, "200 of 200 delivered")
}

fn retrying() -> Verdict {
    Verdict::reconciling(Reason::RateLimited, "Clinch answered 429")
}

fn stalled() -> Verdict {
    Verdict::stalled(Reason::MappingInvalid, "1 error")
}

#[test]
fn each_verdict_gives_its_conditions_and_no_others() {
    let none = CandidateExportStatus::default();
    let first = Verdict::reconciling(Reason::Progressing, "");
    assert_eq!(types(&settled(&none, &ready(), 1)), [("Ready", "True")]);
    assert_eq!(types(&settled(&none, &first, 1)), [("Ready", "Unknown"), ("Reconciling", "True")]);
    assert_eq!(
        types(&settled(&none, &retrying(), 1)),
        [("Ready", "False"), ("Reconciling", "True")]
    );
    assert_eq!(types(&settled(&none, &stalled(), 1)), [("Ready", "False"), ("Stalled", "True")]);
    let ready = Cause::new(Reason::Synced, "");
    let working = Verdict::Working { ready, message: "verifying".into() };
    let status = settled(&none, &working, 1);
    assert_eq!(types(&status), [("Ready", "True"), ("Reconciling", "True")]);
    assert_eq!(status.conditions[1].reason, "Progressing");
}

#[test]
fn transition_times_move_only_when_the_status_flips() {
    let one = settled(&CandidateExportStatus::default(), &ready(), 10);
    let two = settled(&one, &ready(), 20);
    assert_eq!(one, two, "a quiet pass changes nothing");
    let three = settled(&two, &stalled(), 30);
    let four = settled(&three, &retrying(), 40);
    let time = |s: &CandidateExportStatus| {
        find(&s.conditions, ConditionType::Ready).unwrap().last_transition_time.0.as_second()
    };
    assert_eq!((time(&three), time(&four)), (30, 30), "False stays False");
}

#[test]
fn suspension_keeps_ready_only_when_in_sync() {
    let synced = settled(&CandidateExportStatus::default(), &ready(), 10);
    let suspended = |standing| Verdict::Suspended { standing, message: "spec.suspend".into() };
    let kept = settled(&synced, &suspended(Standing::InSync), 20);
    assert_eq!(types(&kept), [("Ready", "True"), ("Suspended", "True")]);
    assert_eq!(find(&kept.conditions, ConditionType::Ready).unwrap().reason, "Synced");
    let edited = settled(&synced, &suspended(Standing::Behind), 20);
    assert_eq!(types(&edited), [("Ready", "False"), ("Suspended", "True")]);
    let idle = settled(&edited, &suspended(Standing::NothingDue), 30);
    assert_eq!(types(&idle), [("Ready", "True"), ("Suspended", "True")]);
    assert_eq!(find(&idle.conditions, ConditionType::Ready).unwrap().reason, "Suspended");
}

#[test]
fn an_edit_that_leaves_an_object_stalled_is_news_if_the_message_is_another() {
    let none = CandidateExportStatus::default();
    let stalled = |message: &str| Verdict::stalled(Reason::InvalidSpec, message);
    let of = |previous: &_, verdict: &Verdict, generation| {
        let mut next = none.clone();
        let now = Timestamp::from_second(1).unwrap();
        apply(previous, &mut next, generation, Vec::new(), verdict, now);
        next
    };
    let one = of(&none, &stalled("a"), 1);
    assert!(ready_changed(&none, &one));
    assert!(ready_changed(&one, &of(&one, &stalled("b"), 2)));
    assert!(!ready_changed(&one, &of(&one, &stalled("a"), 2)), "the same again");
    assert!(!ready_changed(&one, &of(&one, &stalled("b"), 1)), "nobody changed it");
    let running = |message: &str| Verdict::reconciling(Reason::RateLimited, message);
    let two = of(&none, &running("a"), 1);
    assert!(!ready_changed(&two, &of(&two, &running("b"), 2)), "it continues without a person");
}

#[test]
fn readiness_of_an_older_generation_does_not_count() {
    let status = settled(&CandidateExportStatus::default(), &ready(), 10);
    assert!(is_ready(Some(&status), 3));
    assert!(!is_ready(Some(&status), 4));
    assert!(!is_ready::<CandidateExportStatus>(None, 1));
}

#[test]
fn long_messages_are_cut_between_characters() {
    let long = Verdict::stalled(Reason::InvalidSpec, "é".repeat(2000));
    let status = settled(&CandidateExportStatus::default(), &long, 1);
    assert_eq!(status.conditions[0].message.chars().count(), MAX_MESSAGE);
}

mod health_table {
    //! How kstatus and `kubectl wait` read each state of our objects (the rules are theirs).
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Kstatus {
        InProgress,
        Failed,
        Current,
    }

    fn kstatus(status: &CandidateExportStatus, generation: i64) -> Kstatus {
        if status.observed_generation.is_some_and(|seen| seen != generation) {
            return Kstatus::InProgress;
        }
        for condition in &status.conditions {
            match (condition.type_.as_str(), condition.status.as_str()) {
                ("Reconciling", "True") => return Kstatus::InProgress,
                ("Stalled", "True") => return Kstatus::Failed,
                _ => {}
            }
        }
        match find(&status.conditions, ConditionType::Ready).map(|c| c.status.as_str()) {
            None | Some("True") => Kstatus::Current,
            Some(_) => Kstatus::InProgress,
        }
    }

    fn wait(status: &CandidateExportStatus, condition: ConditionType, generation: i64) -> bool {
        find(&status.conditions, condition).is_some_and(|c| {
            c.observed_generation.or(status.observed_generation).is_none_or(|g| g >= generation)
                && c.status == STATUS_TRUE
        })
    }

    fn raw(
        observed: Option<i64>,
        conditions: &[(&str, &str, Option<i64>)],
    ) -> CandidateExportStatus {
        let condition = |(kind, status, seen): &(&str, &str, Option<i64>)| Condition {
            type_: (*kind).into(),
            status: (*status).into(),
            reason: "Reason".into(),
            message: String::new(),
            observed_generation: *seen,
            last_transition_time: Time(at(0)),
        };
        CandidateExportStatus {
            observed_generation: observed,
            conditions: conditions.iter().map(condition).collect(),
            ..CandidateExportStatus::default()
        }
    }

    /// Compares shapes with their record, which `make verify-kstatus` reads with the real kstatus.
    fn compare_with_record<'a>(
        name: &str,
        shapes: impl Iterator<Item = (&'a str, &'a CandidateExportStatus, i64, Kstatus)>,
    ) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let shape = |(state, status, generation, expected): (_, _, i64, Kstatus)| {
            serde_json::json!({"state": state, "expected": format!("{expected:?}"), "object": {
                "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
                "metadata": {"name": "x", "generation": generation}, "status": status,
            }})
        };
        let shapes: Vec<_> = shapes.map(shape).collect();
        let text = serde_json::to_string_pretty(&shapes).unwrap() + "\n";
        let recorded = root.join("tests/data/kstatus").join(name);
        if std::fs::read_to_string(&recorded).ok().as_deref() != Some(&text) {
            let fresh = root.join("target").join(name);
            std::fs::write(&fresh, text).unwrap();
            let (fresh, recorded) = (fresh.display(), recorded.display());
            panic!("not as recorded: cp {fresh} {recorded}; make verify-kstatus");
        }
    }

    /// Twenty shapes of status, ours and those of other operators, as their readers take them.
    /// The shapes marked "not ours" are the mistakes that the rules above keep us from.
    #[test]
    #[allow(clippy::too_many_lines)] // a table
    fn twenty_shapes_of_status_read_as_recorded() {
        use Kstatus::{Current, Failed, InProgress};
        let one = Some(1);
        let two = Some(2);
        let ready = ("Ready", "True", one);
        let table = vec![
            ("created, no status default (not ours)", raw(None, &[]), 1, Current, false, false),
            ("created, default -1", raw(Some(-1), &[]), 1, InProgress, false, false),
            (
                "first pass",
                raw(one, &[("Reconciling", "True", one), ("Ready", "Unknown", one)]),
                1,
                InProgress,
                false,
                false,
            ),
            (
                "retrying",
                raw(one, &[("Reconciling", "True", one), ("Ready", "False", one)]),
                1,
                InProgress,
                false,
                false,
            ),
            (
                "terminal",
                raw(one, &[("Stalled", "True", one), ("Ready", "False", one)]),
                1,
                Failed,
                false,
                true,
            ),
            (
                "Ready=False only (not ours)",
                raw(one, &[("Ready", "False", one)]),
                1,
                InProgress,
                false,
                false,
            ),
            ("in sync", raw(one, &[ready]), 1, Current, true, false),
            ("spec edited, unseen", raw(one, &[ready]), 2, InProgress, false, false),
            (
                "edited, no generation anywhere (not ours)",
                raw(None, &[("Ready", "True", None)]),
                2,
                Current,
                true,
                false,
            ),
            (
                "edited, per condition only (not ours)",
                raw(None, &[ready]),
                2,
                Current,
                false,
                false,
            ),
            ("routine resync, Ready kept", raw(one, &[ready]), 1, Current, true, false),
            (
                "resync that sets Reconciling (not ours)",
                raw(one, &[ready, ("Reconciling", "True", one)]),
                1,
                InProgress,
                true,
                false,
            ),
            (
                "suspended, in sync",
                raw(two, &[("Ready", "True", two), ("Suspended", "True", two)]),
                2,
                Current,
                true,
                false,
            ),
            (
                "suspended, edit unsynced",
                raw(two, &[("Ready", "False", two), ("Suspended", "True", two)]),
                2,
                InProgress,
                false,
                false,
            ),
            (
                "suspended, status untouched (not ours)",
                raw(one, &[ready]),
                2,
                InProgress,
                false,
                false,
            ),
            (
                "over budget",
                raw(
                    one,
                    &[
                        ("Stalled", "True", one),
                        ("Ready", "False", one),
                        ("Delivered", "False", one),
                    ],
                ),
                1,
                Failed,
                false,
                true,
            ),
            (
                "inside budget",
                raw(one, &[ready, ("Delivered", "False", one)]),
                1,
                Current,
                true,
                false,
            ),
            ("deleting, judged by its conditions", raw(one, &[ready]), 2, InProgress, false, false),
            (
                "no Ready at all (not ours)",
                raw(None, &[("Synchronized", "False", one)]),
                1,
                Current,
                false,
                false,
            ),
            (
                "Ready beside Synced=False (not ours)",
                raw(None, &[ready, ("Synced", "False", one)]),
                1,
                Current,
                true,
                false,
            ),
        ];
        assert_eq!(table.len(), 20);
        let shapes = table.iter().map(|(state, s, g, expected, ..)| (*state, s, *g, *expected));
        compare_with_record("recorded-shapes.json", shapes);
        for (shape, status, generation, expected, ready, stalled) in table {
            assert_eq!(kstatus(&status, generation), expected, "{shape}");
            assert_eq!(wait(&status, ConditionType::Ready, generation), ready, "{shape}");
            assert_eq!(wait(&status, ConditionType::Stalled, generation), stalled, "{shape}");
        }
    }

    #[test]
    fn every_state_reads_as_intended() {
        let unseen = CandidateExportStatus { observed_generation: Some(-1), ..Default::default() };
        let first = Verdict::reconciling(Reason::Progressing, "run");
        let partial = Verdict::ready(Reason::SyncedWithRejections, "1");
        let over = Verdict::stalled(Reason::RecordsRejected, "2");
        let suspended = |standing| Verdict::Suspended { standing, message: "suspended".into() };
        let verifying = Verdict::Working {
            ready: Cause::new(Reason::Synced, "200 of 200 delivered"),
            message: "verifying".into(),
        };
        let fresh = |verdict: &Verdict| settled(&CandidateExportStatus::default(), verdict, 1);
        let after = |verdict: &Verdict| settled(&fresh(&ready()), verdict, 2);
        // (state, status, generation of the object, kstatus, wait Ready, wait Stalled)
        let table = vec![
            ("created", unseen, 1, Kstatus::InProgress, false, false),
            ("first pass", fresh(&first), 3, Kstatus::InProgress, false, false),
            ("retrying", fresh(&retrying()), 3, Kstatus::InProgress, false, false),
            ("terminal", fresh(&stalled()), 3, Kstatus::Failed, false, true),
            ("in sync", fresh(&ready()), 3, Kstatus::Current, true, false),
            ("edited, unseen", fresh(&ready()), 4, Kstatus::InProgress, false, false),
            ("stalled, edited, unseen", fresh(&stalled()), 4, Kstatus::InProgress, false, false),
            ("routine resync", after(&ready()), 3, Kstatus::Current, true, false),
            ("a requested verification", after(&verifying), 3, Kstatus::InProgress, true, false),
            ("retrying after sync", after(&retrying()), 3, Kstatus::InProgress, false, false),
            (
                "suspended in sync",
                after(&suspended(Standing::InSync)),
                3,
                Kstatus::Current,
                true,
                false,
            ),
            (
                "suspended, edit unsynced",
                after(&suspended(Standing::Behind)),
                3,
                Kstatus::InProgress,
                false,
                false,
            ),
            (
                "suspended before first sync",
                fresh(&suspended(Standing::InSync)),
                3,
                Kstatus::InProgress,
                false,
                false,
            ),
            (
                "a suspended integration",
                fresh(&suspended(Standing::NothingDue)),
                3,
                Kstatus::Current,
                true,
                false,
            ),
            ("over budget", after(&over), 3, Kstatus::Failed, false, true),
            ("inside budget", after(&partial), 3, Kstatus::Current, true, false),
        ];
        let shapes = table.iter().map(|(state, s, g, expected, ..)| (*state, s, *g, *expected));
        compare_with_record("own-states.json", shapes);
        for (state, status, generation, expected, ready, stalled) in table {
            assert_eq!(kstatus(&status, generation), expected, "{state}");
            assert_eq!(wait(&status, ConditionType::Ready, generation), ready, "{state}");
            assert_eq!(wait(&status, ConditionType::Stalled, generation), stalled, "{state}");
        }
    }
}

mod invariants {
    //! What holds of every status, whatever came before it.
    use proptest::prelude::*;

    use super::*;

    fn verdicts() -> impl Strategy<Value = Verdict> {
        let reason = prop::sample::select(vec![
            Reason::Synced,
            Reason::Progressing,
            Reason::RateLimited,
            Reason::MappingInvalid,
            Reason::Suspended,
        ]);
        let standing =
            prop::sample::select(vec![Standing::InSync, Standing::Behind, Standing::NothingDue]);
        (0..5, reason, standing, "[a-c]{0,2}").prop_map(|(kind, reason, standing, message)| {
            let cause = Cause::new(reason, message.clone());
            match kind {
                0 => Verdict::Ready(cause),
                1 => Verdict::Working { ready: cause, message },
                2 => Verdict::Reconciling(cause),
                3 => Verdict::Stalled(cause),
                _ => Verdict::Suspended { standing, message },
            }
        })
    }

    fn observations() -> impl Strategy<Value = Vec<Observation>> {
        let kinds = vec![ConditionType::SourceReady, ConditionType::Delivered];
        let shown = (any::<Option<bool>>(), "[a-c]{0,2}");
        (prop::sample::subsequence(kinds, 0..=2), shown).prop_map(|(kinds, (status, message))| {
            let one = |kind| Observation::new(kind, status, Reason::Read, message.as_str());
            kinds.into_iter().map(one).collect()
        })
    }

    /// A pass: its verdict, what it observed, whether the spec was edited before, and seconds since the last one.
    fn passes() -> impl Strategy<Value = Vec<(Verdict, Vec<Observation>, bool, i64)>> {
        prop::collection::vec((verdicts(), observations(), any::<bool>(), 0..100_i64), 1..12)
    }

    fn is(status: &CandidateExportStatus, kind: ConditionType) -> Option<&str> {
        find(&status.conditions, kind).map(|condition| condition.status.as_str())
    }

    fn holds(status: &CandidateExportStatus, generation: i64) -> Result<(), TestCaseError> {
        prop_assert_eq!(status.observed_generation, Some(generation));
        let mut kinds: Vec<_> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
        for condition in &status.conditions {
            prop_assert_eq!(condition.observed_generation, Some(generation));
            prop_assert!(!condition.reason.is_empty());
        }
        kinds.sort_unstable();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), status.conditions.len(), "each type once");
        let [ready, reconciling, stalled, suspended] = [
            ConditionType::Ready,
            ConditionType::Reconciling,
            ConditionType::Stalled,
            ConditionType::Suspended,
        ]
        .map(|kind| is(status, kind));
        for only_while_true in [reconciling, stalled, suspended] {
            prop_assert!(only_while_true.is_none_or(|status| status == STATUS_TRUE));
        }
        prop_assert!(ready.is_some());
        prop_assert!(!(reconciling.is_some() && stalled.is_some()));
        prop_assert!(stalled.is_none() || ready == Some(STATUS_FALSE));
        let explained = [reconciling, stalled, suspended].into_iter().flatten().count() == 1;
        prop_assert!(
            ready == Some(STATUS_TRUE) || explained,
            "not Ready, and no word of what follows"
        );
        prop_assert!(ready != Some(STATUS_UNKNOWN) || reconciling.is_some());
        if stalled.is_some() {
            let reason = |kind| find(&status.conditions, kind).map(|found| found.reason.as_str());
            prop_assert_eq!(reason(ConditionType::Stalled), reason(ConditionType::Ready));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_status_keeps_the_rules_of_conditions_whatever_came_before(passes in passes()) {
            let (mut status, mut generation, mut now) = (CandidateExportStatus::default(), 1, 0);
            for (verdict, observed, edited, seconds) in passes {
                generation += i64::from(edited);
                now += seconds;
                let before = status.clone();
                apply(&before, &mut status, generation, observed.clone(), &verdict, at(now));
                holds(&status, generation)?;
                for condition in &status.conditions {
                    let same = before.conditions.iter().find(|was| was.type_ == condition.type_);
                    let since = match same.filter(|was| was.status == condition.status) {
                        Some(was) => was.last_transition_time.clone(),
                        None => Time(at(now)),
                    };
                    prop_assert_eq!(&condition.last_transition_time, &since, "{}", condition.type_);
                }
                let mut again = status.clone();
                apply(&status, &mut again, generation, observed, &verdict, at(now + 1000));
                prop_assert_eq!(&again, &status, "the same pass again changes nothing");
            }
        }
    }
}
