//! Each recipe of the mapping cookbook sends what it says: the command that the page recommends shows it.

use std::{fs, path::Path, process::Command};

use serde_json::{Map, Value, json};

/// One recipe: its heading, the entry of a mapping, a profile, and what is sent.
struct Recipe {
    heading: String,
    field: Value,
    profile: Value,
    sent: Value,
}

/// The recipes of the page. Every one has three blocks.
fn recipes(page: &str) -> Vec<Recipe> {
    let mut sections = page.split("\n## ");
    sections.next();
    let recipe = |section: &str| {
        let heading = section.lines().next().unwrap().to_owned();
        let mut parts = section.split("```");
        let mut block = |language: &str| {
            parts.next();
            let text = parts.next().and_then(|text| text.strip_prefix(language));
            text.unwrap_or_else(|| panic!("{heading}: no block in {language}")).to_owned()
        };
        let (field, profile, sent) = (block("yaml"), block("json"), block("json"));
        let fields: Vec<Value> = serde_saphyr::from_str(&field).unwrap();
        assert_eq!(fields.len(), 1, "{heading}");
        let json = |text: &str| serde_json::from_str(text).unwrap();
        Recipe { field: fields[0].clone(), profile: json(&profile), sent: json(&sent), heading }
    };
    sections.map(recipe).collect()
}

/// The manifests of a recipe: a mapping and an export of one person.
fn manifests(number: usize, recipe: &Recipe) -> Vec<Value> {
    let ours = |kind: &str, spec: Value| {
        json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": kind,
            "metadata": {"name": format!("recipe-{number:02}")}, "spec": spec})
    };
    let mut fields = vec![recipe.field.clone()];
    let mut profile = recipe.profile.clone();
    if recipe.field["to"] != "email" {
        fields.push(json!({"to": "email", "from": "x.match"}));
        let profile = profile.as_object_mut().unwrap();
        let own = profile.entry("x").or_insert_with(|| Value::Object(Map::new()));
        own["match"] = "somebody@example.org".into();
    }
    let mapping = ours("FieldMapping", json!({"fields": fields, "matchKeys": ["email"]}));
    let name = format!("recipe-{number:02}");
    let export = ours(
        "CandidateExport",
        json!({"integrationRef": {"name": "clinch"}, "fieldMappingRef": {"name": name},
            "source": {"inline": [profile]}, "destination": {"prospect": {}}}),
    );
    vec![mapping, export]
}

#[test]
fn every_recipe_of_the_cookbook_sends_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recipes = recipes(&fs::read_to_string(root.join("docs/COOKBOOK.md")).unwrap());
    assert!(recipes.len() >= 12, "{}", recipes.len());
    let mut objects = vec![json!({"apiVersion": "clinch.hireez.dev/v1alpha1",
        "kind": "ClinchIntegration", "metadata": {"name": "clinch"}, "spec": {
            "region": "EU", "environment": "Sandbox", "pushPermission": {"prospects": "Allowed"},
            "credentials": {"secretRef": {"name": "clinch"}}}})];
    for (number, recipe) in recipes.iter().enumerate() {
        objects.extend(manifests(number, recipe));
    }
    let folder = tempfile::tempdir().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    fs::write(folder.path().join("all.yaml"), list.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["render", "-f", "all.yaml", "--show-values", "-o", "json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let exports: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(exports.len(), recipes.len());
    for (number, recipe) in recipes.iter().enumerate() {
        let name = format!("recipe-{number:02}");
        let export = exports.iter().find(|export| export["name"] == name.as_str()).unwrap();
        let requests = export["records"][0]["requests"].as_array().unwrap();
        let create = requests.iter().find(|request| request["method"] == "POST");
        let create = create.unwrap_or_else(|| panic!("{}: {export:#}", recipe.heading));
        let body = &create["body"]["data"]["attributes"];
        let attribute = recipe.field["to"].as_str().unwrap();
        let found = json!({attribute: body[attribute].clone()});
        assert_eq!(found, recipe.sent, "{}", recipe.heading);
    }
}
