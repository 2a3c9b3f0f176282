//! What depends on what, and what blocks it: integrations with their exports and the requests for
//! access, the worst first. Pure.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        program,
        text::{count_of, span},
    },
    found::{Found, State},
    kinds,
};
use crate::{
    api::{
        AccessRequest, ConditionType, IntegrationDefaults, IntegrationReference, MappingReference,
        RejectionCount, SHARD_LABEL, STATUS_FALSE, STATUS_TRUE,
    },
    cluster::{Kind, ObjectKey, Refers, integration_of, mapping_of},
    conditions::find,
    domain::Shard,
    local,
};

/// What is in the tree beside objects.
const REQUEST: &str = "request";
/// How many reasons of rejections a line names.
const REASONS: usize = 4;

/// An object or a request for access, with what depends on it. Its members are API.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) state: State,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    /// What is characteristic of the kind, in a few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// The command that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// What blocks it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) blockers: Vec<Self>,
    /// What depends on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) children: Vec<Self>,
}

impl Node {
    /// The object without what belongs to it.
    pub(super) fn of(found: &Found, now: Timestamp) -> Self {
        let (state, reason, message) = found.state();
        let (kind, key) = (kinds::word(found.kind), &found.key);
        let mut node = Self::bare(kind, key, state);
        (node.reason, node.message) = (reason, message);
        match found.kind {
            Kind::Integration => node.detail = integration_detail(found),
            Kind::Mapping => node.detail = mapping_detail(found),
            Kind::Export => {
                node.detail = export_detail(found, now);
                node.rejections(found);
            }
            Kind::Import => node.detail = import_detail(found, now),
        }
        node.warnings(found);
        node
    }

    fn bare(kind: &'static str, key: &ObjectKey, state: State) -> Self {
        Self {
            kind,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            state,
            reason: String::new(),
            message: String::new(),
            detail: String::new(),
            notes: Vec::new(),
            next: None,
            blockers: Vec::new(),
            children: Vec::new(),
        }
    }

    /// A namespace that waits for access.
    fn request(integration: &ObjectKey, request: &AccessRequest, now: Timestamp) -> Self {
        let key = ObjectKey::new(&integration.namespace, &request.namespace);
        let mut node = Self::bare(REQUEST, &key, State::Waiting);
        "AwaitingApproval".clone_into(&mut node.reason);
        let exports = count_of(request.exports, "export", "exports");
        node.detail = format!("{exports} since {}", local::age(request.since.0, now));
        node.next = Some(Self::approval(integration, &request.namespace));
        node
    }

    /// The command that approves a namespace.
    pub(super) fn approval(integration: &ObjectKey, asking: &str) -> String {
        let ObjectKey { namespace, name } = integration;
        format!("{} approve {name} {asking} -n {namespace}", program())
    }

    /// Makes what helps right for a state folder: commands there only read, and take it.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        self.next = match self.next.take() {
            Some(_) if self.kind == REQUEST => Some(format!(
                "change spec.access.approved in the manifest of the integration, and apply it again: {}",
                self.name
            )),
            next => next.map(|next| format!("{next} --state {}", word_of(folder))),
        };
        self.blockers.iter_mut().chain(&mut self.children).for_each(|node| node.in_folder(folder));
    }

    fn rejections(&mut self, found: &Found) {
        let counts: Vec<RejectionCount> =
            found.part("/status/rejectedByReason").unwrap_or_default();
        let mut by_reason: Vec<(String, i64)> = Vec::new();
        for count in counts {
            match by_reason.iter_mut().find(|(reason, _)| *reason == count.reason) {
                Some((_, sum)) => *sum += count.count,
                None => by_reason.push((count.reason, count.count)),
            }
        }
        if by_reason.is_empty() {
            return;
        }
        let mut shown: Vec<String> = by_reason
            .iter()
            .take(REASONS)
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        if by_reason.len() > REASONS {
            shown.push("...".to_owned());
        }
        self.notes.push(format!("rejected: {}", shown.join(", ")));
        let (namespace, name) = (&self.namespace, found.name());
        self.next = Some(format!("{} failures {name} -n {namespace}", program()));
    }

    fn warnings(&mut self, found: &Found) {
        let conditions = found.conditions();
        for condition in [ConditionType::DuplicatesFound, ConditionType::Drifted] {
            let warning = find(&conditions, condition);
            if let Some(warning) = warning.filter(|warning| warning.status == STATUS_TRUE) {
                self.notes.push(format!("warning: {}: {}", warning.reason, warning.message));
            }
        }
        let notify = find(&conditions, ConditionType::NotifyReady);
        if let Some(fault) = notify.filter(|notify| notify.status == STATUS_FALSE) {
            self.notes.push(format!("warning: {}: {}", fault.reason, fault.message));
        }
    }

    /// Puts what is worst first.
    fn sort(&mut self) {
        self.children.iter_mut().for_each(Self::sort);
        sort(&mut self.children);
    }

    /// The worst state of the node and of what is below it.
    fn worst(&self) -> State {
        let below = self.children.iter().chain(&self.blockers).map(Self::worst).min();
        below.map_or(self.state, |below| below.min(self.state))
    }
}

/// A path as a shell takes it for one word.
fn word_of(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |part: char| part.is_alphanumeric() || "/._-+,:@%".contains(part);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn sort(nodes: &mut [Node]) {
    nodes.sort_by(|a, b| {
        let order = |node: &Node| (node.worst(), node.namespace.clone(), node.name.clone());
        order(a).cmp(&order(b))
    });
}

/// Objects of other places that were looked up one by one.
pub(super) type Elsewhere = BTreeMap<(Kind, ObjectKey), Result<Found, State>>;

/// Whether objects of a kind refer to an integration and a mapping.
pub(super) const fn is_user(kind: Kind) -> bool {
    matches!(kind, Kind::Export | Kind::Import)
}

/// The integration and the mapping that an export or import refers to.
pub(super) fn references(
    user: &Found,
    integrations: &impl Fn(&ObjectKey) -> Option<Found>,
) -> Vec<(Kind, ObjectKey)> {
    let found = user.part::<References>("/spec");
    found.map(|spec| references_of(&user.key, &spec, integrations)).unwrap_or_default()
}

/// The fields of a spec that name other objects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct References {
    integration_ref: IntegrationReference,
    field_mapping_ref: Option<MappingReference>,
}

impl Refers for References {
    fn integration_ref(&self) -> &IntegrationReference {
        &self.integration_ref
    }

    fn field_mapping_ref(&self) -> Option<&MappingReference> {
        self.field_mapping_ref.as_ref()
    }
}

fn references_of(
    user: &ObjectKey,
    spec: &impl Refers,
    integrations: &impl Fn(&ObjectKey) -> Option<Found>,
) -> Vec<(Kind, ObjectKey)> {
    let integration = integration_of(user, spec);
    let defaults = integrations(&integration)
        .and_then(|found| found.part::<IntegrationDefaults>("/spec/defaults"));
    let mapping = mapping_of(&integration, spec, defaults.as_ref());
    let mut all = vec![(Kind::Integration, integration)];
    all.extend(mapping.map(|mapping| (Kind::Mapping, mapping)));
    all
}

/// The tree of these objects. What an export refers to and is not among them is in `elsewhere`.
pub(super) fn tree(objects: &[Found], elsewhere: &Elsewhere, now: Timestamp) -> Vec<Node> {
    let known: BTreeMap<(Kind, ObjectKey), &Found> =
        objects.iter().map(|found| ((found.kind, found.key.clone()), found)).collect();
    let find = |kind: Kind, key: &ObjectKey| -> Result<Found, State> {
        match known.get(&(kind, key.clone())) {
            Some(found) => Ok((*found).clone()),
            None => elsewhere.get(&(kind, key.clone())).cloned().unwrap_or(Err(State::Hidden)),
        }
    };
    let mut roots: BTreeMap<(Kind, ObjectKey), Node> = BTreeMap::new();
    for found in objects.iter().filter(|found| !is_user(found.kind)) {
        let mut node = Node::of(found, now);
        if found.kind == Kind::Integration {
            let requests: Vec<AccessRequest> =
                found.part("/status/accessRequests").unwrap_or_default();
            let asking = requests.iter().map(|one| Node::request(&found.key, one, now));
            node.children.extend(asking);
        }
        roots.insert((found.kind, found.key.clone()), node);
    }
    for user in objects.iter().filter(|found| is_user(found.kind)) {
        let mut node = Node::of(user, now);
        let refers = references(user, &|key| find(Kind::Integration, key).ok());
        let parent = refers.first().cloned();
        if node.state != State::Ready {
            for (kind, key) in refers.into_iter().skip(1) {
                let blocker = placed(kind, &key, find(kind, &key), now);
                if !matches!(blocker.state, State::Ready | State::Hidden) {
                    node.blockers.push(blocker);
                }
            }
        }
        match parent {
            Some((kind, key)) => {
                let root = roots
                    .entry((kind, key.clone()))
                    .or_insert_with(|| placed(kind, &key, find(kind, &key), now));
                root.children.push(node);
            }
            // The state folder of an earlier version does not say it.
            None => {
                roots.insert((user.kind, user.key.clone()), node);
            }
        }
    }
    let mut roots: Vec<Node> = roots.into_values().collect();
    roots.iter_mut().for_each(Node::sort);
    sort(&mut roots);
    roots
}

fn placed(kind: Kind, key: &ObjectKey, found: Result<Found, State>, now: Timestamp) -> Node {
    match found {
        Ok(found) => Node::of(&found, now),
        Err(state) => {
            let mut node = Node::bare(kinds::word(kind), key, state);
            let text = match state {
                State::Missing => "it does not exist",
                _ => "it is in another namespace, and you may not read it",
            };
            text.clone_into(&mut node.message);
            node
        }
    }
}

/// The part of a tree that concerns one object: where it is, with what is below it.
pub(super) fn around(roots: Vec<Node>, kind: Kind, key: &ObjectKey) -> Vec<Node> {
    let is_it = |node: &Node| {
        node.kind == kinds::word(kind) && node.namespace == key.namespace && node.name == key.name
    };
    let narrowed = |mut root: Node| {
        if is_it(&root) {
            return Some(root);
        }
        root.children.retain(|child| is_it(child));
        (!root.children.is_empty()).then_some(root)
    };
    roots.into_iter().filter_map(narrowed).collect()
}

fn integration_detail(found: &Found) -> String {
    let place = found.text("/spec/region").or_else(|| found.text("/status/endpoint"));
    let contract = found.text("/status/contract/origin");
    let mut parts: Vec<String> = place.map(str::to_owned).into_iter().collect();
    parts.extend(found.text("/spec/environment").map(str::to_owned));
    parts.extend(contract.map(|origin| format!("contract {origin}")));
    let shard = found.text("/status/shard");
    parts.extend(shard.map(|shard| format!("shard {shard}")));
    let has = shard.unwrap_or(Shard::DEFAULT);
    let labels = found.json.pointer("/metadata/labels");
    let wanted =
        labels.and_then(|labels| labels.get(SHARD_LABEL)?.as_str()).unwrap_or(Shard::DEFAULT);
    parts.extend((wanted != has).then(|| format!("not yet handed over to shard {wanted}")));
    parts.join(", ")
}

fn mapping_detail(found: &Found) -> String {
    let fields = found.number("/status/fields").map(|count| count_of(count, "field", "fields"));
    let errors = found.number("/status/errors").filter(|errors| *errors > 0);
    let errors = errors.map(|count| count_of(count, "error", "errors"));
    fields.into_iter().chain(errors).collect::<Vec<_>>().join(", ")
}

fn import_detail(found: &Found, now: Timestamp) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (pointer, one, several) in [
        ("/status/counts/emitted", "person", "people"),
        ("/status/counts/tombstones", "tombstone", "tombstones"),
    ] {
        let count = found.number(pointer).filter(|count| *count > 0);
        parts.extend(count.map(|count| count_of(count, one, several)));
    }
    let rejected = found.number("/status/rejected").filter(|rejected| *rejected > 0);
    parts.extend(rejected.map(|rejected| format!("{rejected} rejected")));
    parts.extend(wait(found, now));
    parts.join(", ")
}

fn export_detail(found: &Found, now: Timestamp) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(found.text("/status/delivered").map(str::to_owned));
    if let Some(rejected) = found.number("/status/rejected").filter(|rejected| *rejected > 0) {
        let budget = match found.json.pointer("/spec/failureBudget") {
            Some(serde_json::Value::String(percent)) => format!(" (budget {percent})"),
            Some(serde_json::Value::Number(count)) => format!(" (budget {count})"),
            _ => String::new(),
        };
        parts.push(format!("{rejected} rejected{budget}"));
    }
    // It stays at 100 after a run.
    let progress = found.number("/status/progress").filter(|percent| *percent < 100);
    parts.extend(progress.map(|percent| format!("{percent}%")));
    parts.extend(wait(found, now));
    parts.join(", ")
}

fn wait(found: &Found, now: Timestamp) -> Option<String> {
    found.waits(now).map(|seconds| format!("waits {} for Clinch (429)", span(seconds)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_helps_in_a_state_folder_takes_it_and_changes_no_cluster() {
        let metadata = |name: &str| json!({"name": name, "namespace": "plan", "generation": 1});
        let integration = json!({"metadata": metadata("clinch"), "status": {"accessRequests": [
            {"namespace": "sourcing", "exports": 1, "since": "2026-11-26T10:00:00Z"}]}});
        let export = json!({"metadata": metadata("people"),
            "spec": {"integrationRef": {"name": "clinch"}},
            "status": {"rejectedByReason": [{"reason": "MatchKeyMissing", "count": 1}]}});
        let objects = [
            Found::new(Kind::Integration, integration).unwrap(),
            Found::new(Kind::Export, export).unwrap(),
        ];
        let mut roots = tree(&objects, &Elsewhere::new(), Timestamp::UNIX_EPOCH);
        roots[0].in_folder(Path::new("my state"));
        let next = |name: &str| {
            let node = roots[0].children.iter().find(|node| node.name == name).unwrap();
            node.next.clone().unwrap()
        };
        let failures = next("people");
        assert!(
            failures.ends_with("failures export/people -n plan --state 'my state'"),
            "{failures}"
        );
        let request = next("sourcing");
        assert!(request.starts_with("change spec.access.approved in the manifest"), "{request}");
        assert!(!request.contains(program()) && !request.contains("-n plan"), "{request}");
    }
}
