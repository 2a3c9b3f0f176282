//! One person of the emulator in words. Pure.

use serde_json::Value;

/// One of the people in the state of an account: one with an application, if there is any.
pub(super) fn shown(state: &Value) -> String {
    let people = list(state, "people");
    let has_application = |person: &&Value| !list(person, "applications").is_empty();
    let Some(person) = people.iter().find(has_application).or(people.first()) else {
        return "  (nobody)".to_owned();
    };
    let mut lines = Vec::new();
    for (name, value) in person["attributes"].as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => lines.push(format!("  {name:<20} {text}")),
            other => lines.push(format!("  {name:<20} {other}")),
        }
    }
    for application in list(person, "applications") {
        lines.push(format!(
            "  {:<20} {}",
            "application",
            in_words(application, list(state, "jobs"))
        ));
    }
    for file in list(person, "attachments") {
        let size = file["byte_size"].as_u64().unwrap_or_default();
        let name = text(file, "file_name");
        lines.push(format!("  {:<20} {}: {name}, {size} bytes", "attachment", text(file, "kind")));
    }
    for activity in list(person, "activities") {
        let kind = text(activity, "kind").replace('_', " ");
        lines.push(format!("  {:<20} {kind}: {}", "activity", text(activity, "body")));
    }
    lines.join("\n")
}

/// `ENG-101 (Backend Engineer), stage Sourced`; the id of what is not known.
fn in_words(application: &Value, jobs: &[Value]) -> String {
    let (id, stage) = (text(application, "job"), text(application, "stage"));
    let Some(job) = jobs.iter().find(|job| text(job, "id") == id) else {
        return format!("job {id}, stage {stage}");
    };
    // The emulator numbers the stages of a job at the end of their ids.
    let place = stage.get(24..).and_then(|number| usize::from_str_radix(number, 16).ok());
    let name = place.and_then(|place| job["stages"].get(place)?.as_str()).unwrap_or(stage);
    format!("{} ({}), stage {name}", text(job, "reference"), text(job, "title"))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_to_a_person_is_said_in_words() {
        let job = "503779b97f4a7c15ec1c975cb88e0209";
        let state = json!({
            "jobs": [{"id": job, "reference": "ENG-101", "title": "Engineer", "stages": ["New", "Sourced"]}],
            "people": [{"attributes": {"email": "first@example.org"}}, {
                "attributes": {"email": "ann@example.org", "archived": false, "phone": null},
                "applications": [
                    {"job": job, "stage": "503779b97f4a7c15ec1c975c00000001"},
                    {"job": "other", "stage": "x"},
                ],
                "attachments": [{"kind": "resume", "file_name": "a.pdf", "byte_size": 14}],
                "activities": [{"kind": "sourcing_tags", "body": "silver-medallist"}],
            }],
        });
        let expected = [
            "  archived             false",
            "  email                ann@example.org",
            "  application          ENG-101 (Engineer), stage Sourced",
            "  application          job other, stage x",
            "  attachment           resume: a.pdf, 14 bytes",
            "  activity             sourcing tags: silver-medallist",
        ];
        assert_eq!(shown(&state).lines().collect::<Vec<_>>(), expected);
        assert_eq!(shown(&json!({})), "  (nobody)");
    }
}
