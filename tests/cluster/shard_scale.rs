//! Many exports on one process and on several, measured: `hack/verify.sh shards`.

use std::{
    collections::BTreeSet,
    env, fs,
    pin::pin,
    time::{Duration, Instant},
};

use clinch_operator::{api::CandidateExport, sandbox::Credential};
use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::time::timeout;

use crate::{
    shards::integration,
    support::{process::Process, world::World},
};

const SHARDS: [&str; 3] = ["a", "b", "c"];
const WITHIN: Duration = Duration::from_mins(30);

/// The CPU time of a process, user and system, in seconds, and its largest resident size in MiB.
fn used(process: &Process) -> (f64, u64) {
    let of = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap();
    let stat = of("stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u32 = fields[11..13].iter().map(|ticks| ticks.parse::<u32>().unwrap()).sum();
    let status = of("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    (f64::from(ticks) / 100.0, kib / 1024)
}

/// Exports of one person each, a third of them through each of three accounts.
async fn create(world: &World, exports: usize) {
    let api: Api<CandidateExport> = Api::namespaced(world.admin.clone(), &world.namespace);
    for number in 0..exports {
        for shard in SHARDS {
            let name = format!("export-{shard}-{number}");
            let person = serde_json::json!({
                "firstName": "First", "emails": [{"value": format!("{name}@marker.example")}],
            });
            let object = serde_json::json!({
                "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
                "metadata": {"name": name},
                "spec": {
                    "integrationRef": {"name": format!("account-{shard}")},
                    "source": {"inline": [person]},
                    "destination": {"prospect": {}},
                },
            });
            api.patch(&name, &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
        }
    }
}

/// Waits until every export was Synced, as a watch shows it. Lists of all of them, again and again, would be work of the
/// API server that is measured, and on a busy machine it cuts them.
async fn all_synced(world: &World, wanted: usize) {
    let api: Api<CandidateExport> = Api::namespaced(world.admin.clone(), &world.namespace);
    let is_synced = |export: &CandidateExport| {
        let conditions = export.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|known| known.type_ == "Ready" && known.reason == "Synced")
    };
    let mut synced = BTreeSet::new();
    let watch = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
    let mut watch = pin!(watch);
    let end = Instant::now() + WITHIN;
    while synced.len() < wanted {
        let next = timeout(end.saturating_duration_since(Instant::now()), watch.next()).await;
        let Ok(Some(next)) = next else { panic!("{} of {wanted} synced", synced.len()) };
        // After an error the watcher asks again.
        if let Ok(export) = next
            && is_synced(&export)
        {
            synced.insert(export.name_any());
        }
    }
}

async fn measure(exports: usize, sharded: bool) -> String {
    let world = World::prepare().await.expect("a control plane");
    world.grant_shards(&SHARDS);
    for shard in SHARDS {
        let (name, key) = (format!("account-{shard}"), format!("KEY-{shard}"));
        world.sandbox.add_credential(Credential::new(&name, &key, "secret-1"));
        world.apply(&integration(&name, &key, sharded.then_some(shard)));
    }
    create(&world, exports).await;
    // From the first process that starts to the last export: lists, verifications and runs.
    let started = Instant::now();
    let processes: Vec<Process> = if sharded {
        let start = |shard| world.spawn_shard(shard, shard, "127.0.0.1:0", 15);
        SHARDS.into_iter().map(start).collect()
    } else {
        vec![world.spawn_operator("only", "127.0.0.1:0", 15)]
    };
    all_synced(&world, 3 * exports).await;
    let took = started.elapsed();
    let used: Vec<(f64, u64)> = processes.iter().map(used).collect();
    let cpu: Vec<String> = used.iter().map(|(cpu, _)| format!("{cpu:.1}")).collect();
    let memory: Vec<String> = used.iter().map(|(_, peak)| peak.to_string()).collect();
    for shard in SHARDS {
        let name = format!("account-{shard}");
        assert_eq!(world.sandbox.people(&name).len(), exports);
        assert_eq!(world.sandbox.doubled(&name), 0);
    }
    format!(
        "{} x {exports} exports: {:.1} s, {} s of CPU, {} MiB",
        if sharded { "3 shards" } else { "1 process, 3 accounts" },
        took.as_secs_f64(),
        cpu.join(" + "),
        memory.join(" + "),
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes several minutes: hack/verify.sh shards"]
async fn three_shards_share_many_exports() {
    let exports = env::var("CLINCH_EXPORTS").map_or(1000, |count| count.parse().expect("a number"));
    for sharded in [false, true] {
        println!("{}", measure(exports, sharded).await);
    }
}
