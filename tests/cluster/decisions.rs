//! `approve`, `deny` and `revoke` as real processes: what an admin decides on namespaces.

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    access::{approving, integration, member_export, message, reason_is},
    support::{
        manifests::PROSPECT,
        world::{SOON, World, condition},
    },
};

fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command.args(arguments).args(["-n", &world.namespace]);
    command.env("KUBECONFIG", world.plane.kubeconfig_path()).output().expect("it runs")
}

/// What it printed to standard output and standard error, if it ended with this code.
fn printed(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

async fn lists(world: &World) -> (Value, Value) {
    let access = world.get("ClinchIntegration", "acme").await["spec"]["access"].clone();
    (access["approved"].clone(), access["denied"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_approved_denied_and_approved_again() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&approving(""));
    world.apply_in(&member, &member_export("asking", 2, PROSPECT));
    reason_is(&world, &member, "asking", "AwaitingApproval").await;
    let listed = |object: &Value| object["status"]["requests"] == 1;
    world.wait("ClinchIntegration", "acme", "asked", SOON, listed).await;
    let (requests, _) = printed(&run(&world, &["approve"]), 0);
    assert!(requests.starts_with(&format!("{member} asks for integration/acme")), "{requests}");
    let command = format!("clinch-operator approve acme {member} -n {}", world.namespace);
    assert!(requests.contains(&command), "{requests}");

    let (requests, _) = printed(&run(&world, &["approve", "-o", "json"]), 0);
    let requests: Value = serde_json::from_str(&requests).expect("JSON");
    assert_eq!(
        (&requests[0]["asking"], &requests[0]["exports"]),
        (&member.clone().into(), &1.into())
    );
    assert_eq!(
        (&requests[0]["integration"], &requests[0]["next"]),
        (&"acme".into(), &command.into())
    );
    let (names, _) = printed(&run(&world, &["approve", "-o", "name"]), 0);
    assert_eq!(names, format!("{member}\n"));
    let (print, _) = printed(&run(&world, &["approve", "acme", &member, "--print"]), 0);
    assert!(print.contains("approved:") && print.contains(&member), "{print}");
    assert_eq!(lists(&world).await.0.as_array().map(Vec::len), Some(0), "nothing is changed");

    let (out, err) = printed(&run(&world, &["approve", "acme", &member]), 0);
    assert_eq!(out, format!("integration/acme: {member} approved\n"));
    assert_eq!(err, "");
    reason_is(&world, &member, "asking", "Synced").await;
    // A second one leaves the first alone.
    let (after, _) = printed(&run(&world, &["approve", "acme", "team-x", "-o", "json"]), 0);
    let after: Value = serde_json::from_str(&after).expect("JSON");
    assert_eq!(
        (&after["kind"], &after["metadata"]["name"]),
        (&"ClinchIntegration".into(), &"acme".into())
    );
    assert_eq!(after["spec"]["access"]["approved"].as_array().map(Vec::len), Some(2));
    assert_eq!(after["metadata"]["managedFields"], Value::Null);
    let mut expected = vec![member.clone(), "team-x".to_owned()];
    expected.sort();
    assert_eq!(lists(&world).await.0, serde_json::json!(expected));
    let (none, hint) = printed(&run(&world, &["approve"]), 0);
    assert_eq!((none.as_str(), hint.as_str()), ("", "no namespace asks for access\n"));

    printed(&run(&world, &["deny", "acme", &member]), 0);
    let denied = reason_is(&world, &member, "asking", "NotPermitted").await;
    assert_eq!(condition(&denied, "Stalled")["status"], "True");
    assert!(message(&denied).contains("spec.access.denied"), "{}", message(&denied));
    assert_eq!(lists(&world).await, (serde_json::json!(["team-x"]), serde_json::json!([member])));
    let found = world.get("ClinchIntegration", "acme").await;
    assert_eq!(found["status"]["requests"], 0);
    assert!(found["status"]["accessRequests"].as_array().is_none_or(Vec::is_empty));

    printed(&run(&world, &["revoke", "acme", &member]), 0);
    reason_is(&world, &member, "asking", "AwaitingApproval").await;
    printed(&run(&world, &["approve", "acme", &member]), 0);
    reason_is(&world, &member, "asking", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_applied_is_revoked_with_a_warning() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&approving(&format!("{member}, other")));
    let label = ["label", "clint", "acme", "argocd.argoproj.io/instance=talent"];
    world.kubectl(&[&label[..], &["-n", &world.namespace]].concat());
    world.apply_in(&member, &member_export("using", 2, PROSPECT));
    reason_is(&world, &member, "using", "Synced").await;
    let (_, err) = printed(&run(&world, &["revoke", "acme", &member]), 0);
    assert!(err.contains("another field manager"), "{err}");
    assert!(err.contains("the Argo CD application talent") && err.contains("--print"), "{err}");
    assert_eq!(lists(&world).await.0, serde_json::json!(["other"]));
    reason_is(&world, &member, "using", "AwaitingApproval").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_without_effect_or_right_are_refused() {
    let Some(world) = World::start().await else { return };
    world.apply(&integration("{mode: SameNamespace}"));
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let (out, err) = printed(&run(&world, arguments), code);
        assert!(err.contains(says) && out.is_empty(), "{arguments:?}: {out}{err}");
    };
    refused(&["approve", "acme", "team-a"], 2, "lets no other namespace in");
    refused(&["deny", "acme", "team-a"], 2, "lets no other namespace in");
    world.apply(&integration("{mode: Automatic}"));
    refused(&["approve", "acme", "team-a"], 2, "lets every namespace in");
    refused(&["deny", "acme", &world.namespace], 2, "always has access");
    refused(&["deny", "acme", "Team_A"], 2, "not the name of a namespace");
    refused(&["deny", "acm", "team-a"], 2, "did you mean acme?");
    refused(&["deny", "export/acme", "team-a"], 2, "takes an integration");
    refused(&["approve", "--as", "nobody"], 4, "you may not list clinchintegrations");
    refused(&["deny", "acme", "team-a", "--as", "nobody"], 4, "you may not get clinchintegrations");
    printed(&run(&world, &["deny", "acme", "team-a"]), 0);
    assert_eq!(lists(&world).await.1, serde_json::json!(["team-a"]));
}

/// A small generator: the same commands in each run.
fn next(state: &mut u32) -> usize {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    usize::try_from(*state >> 16).expect("it fits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_where_the_last_command_says_whatever_others_declared() {
    let Some(world) = World::start().await else { return };
    let mut random = 20;
    for (declared, server_side) in [
        ("approved: []", true),
        ("approved: [team-x]", true),
        ("approved: [team-x]", false),
        ("denied: [team-x]", true),
        ("denied: [team-x]", false),
        ("approved: [team-x, team-y], denied: [team-z]", false),
        ("", true),
    ] {
        world.kubectl(&["delete", "clint", "acme", "--ignore-not-found", "-n", &world.namespace]);
        let manifest = integration(&format!("{{mode: Approval, {declared}}}"));
        if server_side {
            world.apply(&manifest);
        } else {
            world.apply_client_side(&manifest);
        }
        // The sequences that met a null list, then others.
        let mut commands = vec![("revoke", "team-x"), ("approve", "team-x"), ("revoke", "team-x")];
        commands.extend([("deny", "team-x"), ("revoke", "team-x"), ("approve", "team-z")]);
        commands.extend([("revoke", "team-z"), ("deny", "team-y")]);
        for _ in 0..8 {
            let command = ["approve", "deny", "revoke"][next(&mut random) % 3];
            commands.push((command, ["team-x", "team-y", "team-z"][next(&mut random) % 3]));
        }
        let mut done = Vec::new();
        for (command, namespace) in commands {
            let before = lists(&world).await;
            done.push(format!("{command} {namespace}"));
            let (out, err) = printed(&run(&world, &[command, "acme", namespace]), 0);
            let after = lists(&world).await;
            let is_on = |list: &Value, name: &str| {
                list.as_array().is_some_and(|all| all.iter().any(|one| one == name))
            };
            let on = (is_on(&after.0, namespace), is_on(&after.1, namespace));
            let expected = (command == "approve", command == "deny");
            assert_eq!(on, expected, "{declared}: {done:?}: {before:?} {after:?} {out}{err}");
            for other in ["team-x", "team-y", "team-z"].into_iter().filter(|one| *one != namespace)
            {
                assert_eq!(is_on(&before.0, other), is_on(&after.0, other), "{declared}: {done:?}");
                assert_eq!(is_on(&before.1, other), is_on(&after.1, other), "{declared}: {done:?}");
            }
            let was_on = is_on(&before.0, namespace) || is_on(&before.1, namespace);
            let says_nothing = out.contains("neither approved nor denied");
            assert_eq!(says_nothing, command == "revoke" && !was_on, "{done:?}: {out}");
            let warns = err.contains(&format!("there is no namespace {namespace}"));
            assert_eq!(warns, command != "revoke", "{err}");
        }
        // Nothing that is left behind hinders a manager that declares the lists.
        let manifest = integration("{mode: Approval}");
        let (ok, err) = world.try_apply(&manifest);
        assert!(ok, "{declared}: {done:?}: {err}");
    }
}
