//! The field reference: a Markdown page for each kind, from the schemas of the CRDs. Pure.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Context as _;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    api::{
        CandidateExportSpec, CandidateExportStatus, CandidateImportSpec, CandidateImportStatus,
        ClinchIntegrationSpec, ClinchIntegrationStatus, FieldMappingSpec, FieldMappingStatus,
    },
    cluster::Kind,
};

/// What each value of a closed set means, by the path of the field.
type Meanings = BTreeMap<String, Vec<(String, String)>>;

/// The name and the text of a page for each kind that people write.
pub(super) fn pages() -> anyhow::Result<Vec<(String, String)>> {
    // Only the operator writes the others.
    let kind = |word: &str| Kind::ALL.into_iter().find(|known| known.as_str() == word);
    let crds = crate::api::crds().into_iter();
    crds.filter_map(|crd| Some((kind(&crd.spec.names.kind)?, crd)))
        .map(|(kind, crd)| {
            let crd = serde_json::to_value(crd).context("cannot write the CRD as JSON")?;
            let name = format!("{}.md", text(&crd["spec"]["names"]["plural"]));
            Ok((name, page(&crd["spec"], &meanings(kind))))
        })
        .collect()
}

/// The values of the closed sets in spec and status of a kind. A CRD has no place for what they mean.
fn meanings(kind: Kind) -> Meanings {
    match kind {
        Kind::Integration => meanings_of::<ClinchIntegrationSpec, ClinchIntegrationStatus>(),
        Kind::Mapping => meanings_of::<FieldMappingSpec, FieldMappingStatus>(),
        Kind::Export => meanings_of::<CandidateExportSpec, CandidateExportStatus>(),
        Kind::Import => meanings_of::<CandidateImportSpec, CandidateImportStatus>(),
    }
}

fn meanings_of<Spec: JsonSchema, Status: JsonSchema>() -> Meanings {
    let generator = || {
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        settings.into_generator()
    };
    let mut found = Meanings::new();
    collect_meanings("spec", generator().into_root_schema_for::<Spec>().as_value(), &mut found);
    collect_meanings("status", generator().into_root_schema_for::<Status>().as_value(), &mut found);
    found
}

fn collect_meanings(path: &str, schema: &Value, found: &mut Meanings) {
    let alternatives = |word: &str| schema[word].as_array().into_iter().flatten();
    let values: Vec<(String, String)> = alternatives("oneOf")
        .filter_map(|value| Some((value["const"].as_str()?, value["description"].as_str()?)))
        .map(|(value, meaning)| (value.to_owned(), meaning.to_owned()))
        .collect();
    if !values.is_empty() {
        found.insert(path.to_owned(), values);
    }
    // Of an optional value, one alternative is null.
    alternatives("anyOf").for_each(|schema| collect_meanings(path, schema, found));
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        collect_meanings(&format!("{path}.{name}"), child, found);
    }
    for (part, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[part].is_object() {
            collect_meanings(&format!("{path}{mark}"), &schema[part], found);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn page(spec: &Value, meanings: &Meanings) -> String {
    let (names, version) = (&spec["names"], &spec["versions"][0]);
    let kind = text(&names["kind"]);
    let root = &version["schema"]["openAPIV3Schema"];
    let mut page = format!(
        "<!-- Generated from the types by `make crds`. Do not edit. -->\n\n# {kind}\n\n{}\n\n\
         `apiVersion: {}/{}`, `kind: {kind}`; plural `{}`, short name `{}`; belongs to a namespace.\n\n\
         Of a field that may be left out, the description says what its absence means, unless the field has a \
         default. Below a list the API server fills in no default: there, the description says it in any case.\n",
        prose(text(&root["description"])),
        text(&spec["group"]),
        text(&version["name"]),
        text(&names["plural"]),
        text(&names["shortNames"][0]),
    );
    let part = |part: &str| {
        let mut fields = Vec::new();
        collect(part, &root["properties"][part], is_required(root, part), &mut fields);
        fields
    };
    let (spec, status) = (part("spec"), part("status"));
    page.push_str("\n## Fields of spec\n\n| field | type | default |\n|---|---|---|\n");
    for field in spec.iter().skip(1) {
        let default = match field.default() {
            _ if field.required => "required".to_owned(),
            Some(default) => default,
            None => String::new(),
        };
        let Field { path, .. } = field;
        let short = path.trim_start_matches("spec.");
        let kind = field.kind();
        let _infallible = writeln!(page, "| [`{short}`](#{}) | {kind} | {default} |", anchor(path));
    }
    page.push_str("\n## Spec\n");
    spec.iter().for_each(|field| field.write(&mut page, meanings));
    page.push_str(
        "\n## Status\n\nWritten by the operator. A field is absent while it is not known, or where it does not \
         apply.\n",
    );
    status.iter().for_each(|field| field.write(&mut page, meanings));
    page
}

/// A field, its schema and its path; items of lists as `[]`, values of maps as `{}`.
struct Field<'a> {
    path: String,
    schema: &'a Value,
    required: bool,
}

fn is_required(parent: &Value, name: &str) -> bool {
    parent["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
}

/// A field and everything below it. Plain items of lists and maps are part of their list.
fn collect<'a>(path: &str, schema: &'a Value, required: bool, out: &mut Vec<Field<'a>>) {
    out.push(Field { path: path.to_owned(), schema, required });
    let mut below = |path: &str, schema: &'a Value| {
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            collect(&format!("{path}.{name}"), child, is_required(schema, name), out);
        }
    };
    below(path, schema);
    below(&format!("{path}[]"), &schema["items"]);
    below(&format!("{path}{{}}"), &schema["additionalProperties"]);
}

impl Field<'_> {
    fn write(&self, page: &mut String, meanings: &Meanings) {
        let Self { path, schema, required } = self;
        let mut facts = vec![self.kind()];
        facts.extend(limits(schema));
        if *required {
            facts.push("required".to_owned());
        }
        if let Some(default) = self.default() {
            facts.push(format!("default {default}"));
        }
        let _infallible = write!(page, "\n### `{path}`\n\n{}.\n", facts.join("; "));
        let description = text(&schema["description"]);
        if !description.is_empty() {
            let _infallible = write!(page, "\n{}\n", prose(description));
        }
        // The values of a list are those of its items.
        let values = meanings.get(path).or_else(|| meanings.get(&format!("{path}[]")));
        let values = values.into_iter().flatten();
        let values = values.map(|(value, meaning)| format!("`{value}`: {}", prose(meaning)));
        let points: Vec<String> = values.chain(rules(schema)).collect();
        if !points.is_empty() {
            let _infallible = write!(page, "\n- {}\n", points.join("\n- "));
        }
    }

    fn default(&self) -> Option<String> {
        self.schema.get("default").map(code)
    }

    fn kind(&self) -> String {
        kind(self.schema)
    }
}

/// The type in words.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(code).collect();
        return format!("one of {}", values.join(", "));
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    let of = |part: &str| schema.get(part).filter(|part| part.is_object()).map(kind);
    match text(&schema["type"]) {
        "array" => format!("list of {}", of("items").unwrap_or_default()),
        "object" => of("additionalProperties")
            .map_or_else(|| "object".to_owned(), |values| format!("map to {values}")),
        "string" if schema["format"] == "date-time" => "time (RFC 3339)".to_owned(),
        other => other.to_owned(),
    }
}

/// The limits on a value, and on the items of a list.
fn limits(schema: &Value) -> Vec<String> {
    let mut limits = Vec::new();
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        limits.extend(match (number(&schema[least]), number(&schema[most])) {
            (Some(least), Some(most)) if least == most => Some(format!("exactly {most}{unit}")),
            (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
            (Some(least), None) => Some(format!("at least {least}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            (None, None) => None,
        });
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        limits.push(format!("pattern {}", code(&pattern.into())));
    }
    for (part, word) in [("items", "item"), ("additionalProperties", "value")] {
        let schema = schema.get(part).filter(|part| part.is_object());
        // What an object may contain has headings of its own.
        let schema = schema.filter(|part| part["type"] != "object");
        limits.extend(
            schema.into_iter().flat_map(self::limits).map(|limit| format!("each {word} {limit}")),
        );
    }
    limits
}

/// Whole numbers without a fraction: a schema has all of its limits as floating-point numbers.
fn number(value: &Value) -> Option<String> {
    value.as_f64().map(|number| number.to_string())
}

/// The rules of an object or field and of its items, as their messages.
fn rules(schema: &Value) -> Vec<String> {
    let parts = [schema, &schema["items"], &schema["additionalProperties"]].into_iter();
    let rules = parts.filter_map(|part| part["x-kubernetes-validations"].as_array()).flatten();
    rules
        .map(|rule| {
            let field = rule["fieldPath"].as_str().map(|path| path.trim_start_matches('.'));
            let field = field.map(|path| format!("`{path}`: ")).unwrap_or_default();
            match rule["message"].as_str() {
                Some(message) => format!("Rule: {field}{}.", escaped(message)),
                None => format!("Rule: {field}{}.", code(&rule["rule"])),
            }
        })
        .collect()
}

/// A value as code.
fn code(value: &Value) -> String {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown = if shown.is_empty() { "\"\"".to_owned() } else { shown };
    // A bar would end the cell of a table.
    format!("`{}`", shown.replace('|', "\\|"))
}

/// Paragraphs on one line each, so that no line begins like a list or a heading.
fn prose(description: &str) -> String {
    let paragraphs = description.split("\n\n");
    let joined = paragraphs.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    escaped(&joined.collect::<Vec<_>>().join("\n\n"))
}

/// Text in which nothing outside code is HTML.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(n, part)| {
        if n % 2 == 0 { part.replace('<', "&lt;").replace('*', "\\*") } else { part.to_owned() }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The anchor of a field's heading, as GitHub and mdBook make it.
fn anchor(path: &str) -> String {
    path.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_field_of_a_kind_has_an_anchor_of_its_own() {
        for (name, page) in pages().unwrap() {
            let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
            let anchors: Vec<String> = headings.map(anchor).collect();
            assert!(anchors.len() > 20, "{name}");
            let different: HashSet<&String> = anchors.iter().collect();
            assert_eq!(different.len(), anchors.len(), "{name}");
        }
    }

    #[test]
    fn each_value_of_a_closed_set_is_explained() {
        for (name, page) in pages().unwrap() {
            for field in page.split("\n### ").skip(1) {
                let facts = field.lines().nth(2).unwrap();
                let Some(values) = facts.split("one of ").nth(1) else { continue };
                let values = values.split([';', '.']).next().unwrap().split(", ");
                for value in values {
                    assert!(field.contains(&format!("\n- {value}: ")), "{name}: {field}");
                }
            }
        }
    }

    #[test]
    fn type_default_limits_rules_and_description_are_shown() {
        let schema = serde_json::json!({
            "type": "integer", "minimum": 1.0, "maximum": 64.0, "default": 8,
            "description": "Maximum\nrequests <in> flight, `a <b>`.",
            "x-kubernetes-validations": [
                {"rule": "self != 7", "message": "7 is not allowed"},
                {"rule": "self.a", "message": "is required", "fieldPath": ".a.b"}
            ]
        });
        let (mut page, path) = (String::new(), "spec.limits.maxInFlight".to_owned());
        let meaning = ("A".to_owned(), "Not\nmany.".to_owned());
        let meanings = Meanings::from([(path.clone(), vec![meaning])]);
        Field { path, schema: &schema, required: true }.write(&mut page, &meanings);
        let expected = "\n### `spec.limits.maxInFlight`\n\ninteger; 1 to 64; required; default `8`.\n\n\
                        Maximum requests &lt;in> flight, `a <b>`.\n\n- `A`: Not many.\n- Rule: 7 is not allowed.\n- Rule: `a.b`: is required.\n";
        assert_eq!(page, expected);
    }
}
