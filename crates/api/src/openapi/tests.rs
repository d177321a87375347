use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// The committed description is the one that nodes serve.
#[test]
fn the_golden_file_is_up_to_date() {
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(GOLDEN, &made).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(golden == made, "stale: UPDATE_OPENAPI=1 cargo test -p consign-api openapi");
}

/// Every reference leads somewhere, every schema is used, names are unique, statuses are told.
#[test]
fn the_description_hangs_together() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    found.insert(to.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<_> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(found, there);
    let names: BTreeSet<_> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), CALLS.len());
    for call in CALLS {
        let described = &document["paths"][call.path][call.method.to_lowercase()];
        assert_eq!(described["operationId"], call.name);
        assert!(described["responses"].as_object().unwrap().len() > 1, "{}", call.name);
    }
}

/// What a client gets as JSON is not described as text.
#[test]
fn answers_in_json_are_described() {
    let document = document();
    for call in CALLS {
        let answers = &document["paths"][call.path][call.method.to_lowercase()]["responses"];
        for (status, answer) in answers.as_object().unwrap() {
            let schema = &answer["content"]["application/json"]["schema"];
            assert_ne!(schema["type"], "string", "{} {status}", call.name);
        }
    }
    let events = &document["paths"]["/v1/ceremonies/{id}/events"]["get"]["responses"]["200"]["content"];
    let fields = &events["text/event-stream"]["schema"]["properties"];
    assert_eq!(fields["event"]["const"], "ceremony");
    assert_eq!(fields["data"]["contentSchema"]["$ref"], "#/components/schemas/Event");
}

/// What tests alone may ask for is no part of the API.
#[test]
fn insecure_levels_are_not_described() {
    assert!(!document().to_string().contains("insecure"));
}
