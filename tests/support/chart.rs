//! The operator's rights as the chart grants them: its files of rules, bound as its templates do.

/// Rules for each watched namespace.
pub const WATCHED: &str = include_str!("../../charts/clinch-operator/files/rules-watched.yaml");
/// Rules for namespaces whose Secrets the operator may read.
pub const SECRETS: &str = include_str!("../../charts/clinch-operator/files/rules-secrets.yaml");
/// Rules for the operator's own namespace.
pub const OWN: &str = include_str!("../../charts/clinch-operator/files/rules-own.yaml");
/// Rules for an operator that watches all namespaces.
pub const NAMESPACES: &str =
    include_str!("../../charts/clinch-operator/files/rules-namespaces.yaml");

const API: &str = "apiVersion: rbac.authorization.k8s.io/v1";

/// The operator's ServiceAccount, and the empty Secret for its ledger key.
pub fn identity(home: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\n\
         metadata: {{name: clinch-operator, namespace: {home}}}\n\
         ---\napiVersion: v1\nkind: Secret\n\
         metadata: {{name: clinch-operator-ledger-key, namespace: {home}}}\n"
    )
}

/// Rules in a namespace, for the operator that runs in `home`.
pub fn role(namespace: &str, rules: &str, home: &str) -> String {
    let metadata = format!("{{name: clinch-operator, namespace: {namespace}}}");
    bound("Role", &metadata, rules, home)
}

/// Rules in the whole cluster, for the operator that runs in `home`.
pub fn cluster_role(rules: &str, home: &str) -> String {
    bound("ClusterRole", "{name: clinch-operator}", rules, home)
}

fn bound(kind: &str, metadata: &str, rules: &str, home: &str) -> String {
    format!(
        "---\n{API}\nkind: {kind}\nmetadata: {metadata}\nrules:\n{rules}\n\
         ---\n{API}\nkind: {kind}Binding\nmetadata: {metadata}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: clinch-operator}}\n\
         subjects: [{{kind: ServiceAccount, name: clinch-operator, namespace: {home}}}]\n"
    )
}
