//! The chart, as far as it can be checked without Helm: what its templates name exists, its rules
//! parse, its copies are equal, and the operator reads what it sets.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::api::rbac::v1::PolicyRule;
use regex::Regex;
use serde_json::{Value, json};

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/clinch-operator")
}

fn read(path: &str) -> String {
    fs::read_to_string(chart().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every template with its name.
fn templates() -> Vec<(String, String)> {
    let folder = fs::read_dir(chart().join("templates")).unwrap();
    let found: Vec<_> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(found.len() > 5, "the templates are read");
    found
}

fn template(name: &str) -> String {
    read(&format!("templates/{name}"))
}

fn values_named() -> BTreeSet<String> {
    let path = Regex::new(r"\.Values((?:\.[A-Za-z0-9]+)+)").unwrap();
    let all = templates();
    let found = all.iter().flat_map(|(_, text)| path.captures_iter(text));
    found.map(|found| found[1].trim_start_matches('.').to_owned()).collect()
}

#[test]
fn every_value_that_a_template_names_exists_and_every_value_is_named() {
    let values = yaml("values.yaml");
    let named = values_named();
    for path in &named {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(values.pointer(&pointer).is_some(), "values.yaml has no {path}");
    }
    for key in values.as_object().unwrap().keys() {
        let used = named.iter().any(|path| path.split('.').next() == Some(key));
        assert!(used, "no template uses the value {key}");
    }
}

#[test]
fn values_and_their_schema_have_the_same_members_and_types() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    assert_same_members("", &yaml("values.yaml"), &schema);
}

fn assert_same_members(path: &str, value: &Value, schema: &Value) {
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{path}: the default {value} is not in the schema's enum");
        return;
    }
    let found = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    assert_eq!(schema["type"], found, "{path}: the default has another type than the schema");
    let Some(properties) = schema["properties"].as_object() else { return };
    // Maps with keys of the user's own have no default members.
    let members = value.as_object().unwrap();
    if !path.is_empty() && members.is_empty() {
        return;
    }
    assert_eq!(schema["additionalProperties"], false, "{path}: a typing error must be refused");
    for (name, member) in members {
        let schema = properties.get(name);
        let schema = schema.unwrap_or_else(|| panic!("the schema does not know {path}/{name}"));
        assert_same_members(&format!("{path}/{name}"), member, schema);
    }
    for name in properties.keys().filter(|name| *name != "global") {
        assert!(members.contains_key(name), "values.yaml does not show {path}/{name}");
    }
}

#[test]
fn the_rules_parse_and_every_file_is_included() {
    let texts: String = templates().into_iter().map(|(_, text)| text).collect();
    let mut rule_files = 0;
    for entry in fs::read_dir(chart().join("files")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("files/{name}");
        assert!(texts.contains(&format!("Files.Get \"{path}\"")), "no template includes {path}");
        if !name.starts_with("rules-") {
            continue;
        }
        let rules: Vec<PolicyRule> = serde_json::from_value(yaml(&path)).unwrap();
        assert!(!rules.is_empty(), "{path} has rules");
        for rule in rules {
            let all = [Some(rule.verbs.clone()), rule.resources.clone(), rule.api_groups.clone()];
            assert!(!all.iter().flatten().flatten().any(|word| word == "*"), "{path}: a wildcard");
            assert!(rule.resources.is_some_and(|r| !r.is_empty()) && !rule.verbs.is_empty());
        }
        rule_files += 1;
    }
    assert_eq!(rule_files, 7);
}

/// Which words a label line of a role's document has, by the role's name.
fn aggregated(template: &str, role: &str) -> Option<String> {
    let document = template.split("---").find(|text| text.contains(&format!("name: {role}\n")));
    let document = document.unwrap_or_else(|| panic!("no role {role}"));
    let label = document.lines().find(|line| line.contains("aggregate-to-"));
    label.map(|line| line.trim().to_owned())
}

#[test]
fn members_and_viewers_come_with_edit_and_view_and_admins_only_when_asked_for() {
    let roles = template("roles-users.yaml");
    let label =
        |word: &str| Some(format!("rbac.authorization.k8s.io/aggregate-to-{word}: \"true\""));
    // The namespace separates two releases.
    let role = |name: &str| format!("clinch-{name}-{{{{ .Release.Namespace }}}}");
    assert_eq!(aggregated(&roles, &role("viewer")), label("view"));
    assert_eq!(aggregated(&roles, &role("member")), label("edit"));
    assert_eq!(aggregated(&roles, &role("admin")), label("admin"));
    let asked =
        "{{- if .Values.rbac.aggregateAdmin }}\n    rbac.authorization.k8s.io/aggregate-to-admin";
    assert!(roles.contains(asked));
    assert_eq!(yaml("values.yaml")["rbac"]["aggregateAdmin"], false);
    // The tests on an API server compose the roles in the same way.
    let composed: Vec<Vec<&str>> = roles
        .split("\n---\n")
        .map(|role| role.lines().filter_map(|line| line.split("files/rules-").nth(1)).collect())
        .collect();
    let names =
        |of: &[&str]| of.iter().map(|name| format!("{name}.yaml\" }}}}")).collect::<Vec<_>>();
    let expected =
        [names(&["viewer"]), names(&["viewer", "member"]), names(&["viewer", "member", "admin"])];
    assert_eq!(composed, expected);
}

#[test]
fn the_policy_compares_with_the_operators_own_list() {
    use clinch_operator::{api::Region, clinch::Endpoint};

    let policy = template("endpoint-policy.yaml");
    let documented: Vec<String> = [Region::Us, Region::Eu, Region::Au]
        .map(|region| format!("\"{}\"", Endpoint::of_region(region)))
        .to_vec();
    assert!(template("_helpers.tpl").contains(&format!("list {} | toJson", documented.join(" "))));
    let included = "$documented := include \"clinch-operator.documentedEndpoints\"";
    assert!(policy.contains(included));
    assert!(template("ciliumnetworkpolicy.yaml").contains(included));
    assert!(policy.contains("range .Values.allowedEndpoints | default $documented"));
    assert!(template("deployment.yaml").contains("with .Values.allowedEndpoints"));
    let spec = &yaml("files/endpoint-policy.yaml")["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    assert!(policy.contains("validationActions: [Deny]"));
    let rules = read("files/endpoint-policy.yaml");
    // What differs between installations is put in, and is no parameter: see the file.
    assert!(!rules.contains("paramKind") && !policy.contains("paramRef"));
    for placeholder in ["'ENVIRONMENT'", "[ORIGINS]"] {
        assert_eq!(rules.matches(placeholder).count(), 1, "{placeholder}");
        assert!(policy.contains(&format!("replace \"{placeholder}\"")), "{placeholder}");
    }
}

/// Every variable that the operator reads, but no others, must be set by a value of its own or be
/// accepted in `extraEnv`.
#[test]
fn a_variable_is_set_by_one_value_of_the_chart() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let name = &schema["properties"]["extraEnv"]["items"]["properties"]["name"]["anyOf"];
    let accepted: BTreeSet<&str> =
        name[0]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let refused = Regex::new(name[1]["not"]["pattern"].as_str().unwrap()).unwrap();
    let variable = Regex::new(r"\b(?:CLINCH|POD)_[A-Z_]+").unwrap();
    let deployment = template("deployment.yaml");
    let set: BTreeSet<&str> = variable.find_iter(&deployment).map(|found| found.as_str()).collect();
    assert!(set.len() > 10 && set.iter().all(|name| refused.is_match(name)));
    let help = Command::new(env!("CARGO_BIN_EXE_clinch-operator")).args(["run", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let read: BTreeSet<&str> = variable.find_iter(&help).map(|found| found.as_str()).collect();
    let left: BTreeSet<&str> = read.difference(&set).copied().collect();
    assert_eq!(left, accepted, "neither set by the chart nor accepted in extraEnv");
    assert!(!refused.is_match("AWS_REGION") && !refused.is_match("SSL_CERT_FILE"));
}

#[test]
fn secrets_are_reached_only_through_the_rules_for_them() {
    for path in ["files/rules-watched.yaml", "files/rules-own.yaml"] {
        let rules: Vec<PolicyRule> = serde_json::from_value(yaml(path)).unwrap();
        for rule in rules {
            let secrets = rule.resources.iter().flatten().any(|resource| resource == "secrets");
            assert!(!secrets || rule.resource_names.is_some(), "{path}: Secrets without names");
        }
    }
}

/// The verbs that a file of rules grants on ledger segments.
fn on_ledgers(path: &str) -> Vec<String> {
    let rules: Vec<PolicyRule> = serde_json::from_value(yaml(path)).unwrap();
    let ledgers = rules.into_iter().filter(|rule| {
        rule.resources.iter().flatten().any(|resource| resource.starts_with("candidateledgers"))
    });
    ledgers.flat_map(|rule| rule.verbs).collect()
}

#[test]
fn segments_are_written_where_exports_are_and_at_home_and_seen_by_nobody_else() {
    for path in ["files/rules-watched.yaml", "files/rules-own.yaml"] {
        assert_eq!(on_ledgers(path), ["list", "create", "delete"], "{path}");
    }
    for role in ["admin", "member", "namespaces", "secrets", "viewer"] {
        assert!(on_ledgers(&format!("files/rules-{role}.yaml")).is_empty(), "{role}");
    }
    // The role at home does not depend on which namespaces are watched.
    let own = template("role-own.yaml");
    assert!(!own.contains("if ") && !own.contains("range "), "{own}");
    assert!(own.contains("namespace: {{ .Release.Namespace }}") && !own.contains("ClusterRole"));
}

#[test]
fn the_charts_crds_are_those_of_the_types() {
    let expected = clinch_operator::api::crds_yaml().unwrap();
    for (name, yaml) in &expected {
        assert!(read(&format!("crds/{name}")) == *yaml, "crds/{name} differs: run `make crds`");
    }
    let files = fs::read_dir(chart().join("crds")).unwrap().count();
    assert_eq!(files, expected.len(), "a file in the chart's crds/ belongs to no type");
}

#[test]
fn one_process_at_a_time_and_restricted() {
    let deployment = template("deployment.yaml");
    let lines: Vec<&str> = deployment.lines().map(str::trim).collect();
    for expected in [
        "replicas: {{ .Values.replicas }}",
        "type: Recreate",
        "terminationGracePeriodSeconds: 45",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "{{- toYaml .Values.podSecurityContext | nindent 8 }}",
        "httpGet: {path: /healthz, port: admin}",
        "httpGet: {path: /readyz, port: admin}",
    ] {
        assert!(lines.contains(&expected), "the Deployment lacks {expected:?}");
    }
    let expected = json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(yaml("values.yaml")["podSecurityContext"], expected);
}

#[test]
fn the_operator_reads_what_the_chart_sets() {
    let help = Command::new(env!("CARGO_BIN_EXE_clinch-operator")).args(["run", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let variable = Regex::new(r"- name: ((?:CLINCH|POD|OTEL)_[A-Z_]+)").unwrap();
    let deployment = template("deployment.yaml");
    let set: Vec<&str> =
        variable.captures_iter(&deployment).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(set.len() >= 8, "{set:?}");
    for name in set {
        // The value is not shown where it may hold a password.
        let read = [format!("[env: {name}="), format!("[env: {name}]")];
        assert!(read.iter().any(|shown| help.contains(shown)), "`run` does not read {name}");
    }
    // The names that the rules and the Secret's template bear are the defaults of `run`.
    let own = read("files/rules-own.yaml");
    for name in ["clinch-operator-ledger-key", "clinch-operator"] {
        assert!(help.contains(&format!("[default: {name}]")), "{name} is no default of `run`");
        assert!(own.contains(&format!("resourceNames: [{name}]")), "no rule names {name}");
    }
}

#[test]
fn options_on_which_the_release_relies_exist_and_are_refused_as_extra_arguments() {
    let helpers = template("_helpers.tpl");
    let (_, list) = helpers.split_once("has $option (list ").unwrap();
    let refused = Regex::new("\"(--[a-z-]+)\"").unwrap();
    let refused: Vec<&str> = refused
        .captures_iter(list.split_once(')').unwrap().0)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert!(refused.len() >= 10, "{refused:?}");
    let comment = read("values.yaml").replace("\n# ", " ");
    let help = Command::new(env!("CARGO_BIN_EXE_clinch-operator")).args(["run", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    for option in refused {
        assert!(help.contains(&format!("{option} ")), "`run` has no {option}");
        let named = [",", ")"].iter().any(|end| comment.contains(&format!("{option}{end}")));
        assert!(named, "values.yaml does not say that {option} is refused");
    }
}

#[test]
fn the_ledger_key_is_shipped_empty_and_outlives_upgrades_and_the_release() {
    let secret = template("ledger-key.yaml");
    assert!(secret.contains("helm.sh/resource-policy: keep"));
    assert!(secret.contains("lookup \"v1\" \"Secret\""), "left out where it is another's");
    let content = |line: &str| line.starts_with("data:") || line.starts_with("stringData:");
    assert!(!secret.lines().any(content), "an upgrade would write it");
}
