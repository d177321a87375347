//! The description of the API (OpenAPI 3.1), made from the types that nodes and clients use.
//!
//! [`CALLS`] is the list of all calls; the schemas are derived. `docs/openapi.json` holds the result, and a test compares
//! the two, so that every change of the API shows in a review. Read next: `calls.rs`.

mod calls;
mod schemas;
#[cfg(test)]
mod tests;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

pub use calls::CALLS;

use crate::limits::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::problem::PROBLEM_MEDIA_TYPE;
use crate::{Act, Problem, ProblemKind};

/// Makes the schema of a type, as a reference where the type has a name.
type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// One call.
pub struct Call {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path; `{id}` stands for an identifier, `{act}` for what is decided.
    pub path: &'static str,
    /// What programs call it.
    name: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    /// What one should know besides; may be empty.
    description: &'static str,
    /// The body it takes.
    body: Option<MakeSchema>,
    /// The query it takes.
    query: Option<MakeSchema>,
    /// What it answers when it works: status, meaning, media type and schema.
    answers: &'static [(u16, &'static str, Content)],
    /// Problems of its own, besides those of all calls.
    problems: &'static [ProblemKind],
    /// Whether anybody may call it.
    open: bool,
    /// Whether an `Idempotency-Key` makes the same call again the same one.
    named: bool,
    /// Whether it starts something that can be waited for.
    waits: bool,
    /// Whether it goes over the operator's socket, and not over TCP.
    pub operator: bool,
}

/// What an answer holds.
#[derive(Clone, Copy)]
enum Content {
    /// JSON of this form.
    Json(MakeSchema),
    /// Text of this media type.
    Text(&'static str),
    /// Server-sent events of this name, each with JSON of this form.
    Events(&'static str, MakeSchema),
    /// Bytes of this media type.
    Bytes(&'static str),
    /// Nothing.
    Nothing,
}

/// Text written for readers of the code: without the brackets of links into it.
#[derive(Clone, Debug)]
struct ForPeople;

impl Transform for ForPeople {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
        }
        transform_subschemas(self, schema);
    }
}

/// How schemas are made.
fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with_transform(ForPeople).with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    })
}

/// The schema of `T`.
fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Problems that every call can meet.
const OF_ALL: &[ProblemKind] = &[
    ProblemKind::WrongHost,
    ProblemKind::Internal,
    ProblemKind::Busy,
    ProblemKind::ShuttingDown,
    ProblemKind::StandingBy,
];

/// Problems of every call that not everybody may make.
const OF_CLOSED: &[ProblemKind] = &[ProblemKind::Malformed, ProblemKind::Unauthorized];

/// Problems of every call with a body.
const OF_BODIES: &[ProblemKind] =
    &[ProblemKind::RequestTimeout, ProblemKind::TooLarge, ProblemKind::UnsupportedMediaType];

/// Problems of every call that an `Idempotency-Key` may name.
const OF_NAMED: &[ProblemKind] = &[ProblemKind::IdempotencyConflict, ProblemKind::TooMany];

/// Where the calls of the operator go, as the description names it.
const OPERATOR_SOCKET: &str = "http+unix://operator.sock/";

/// The whole description.
#[must_use]
pub fn document() -> Value {
    let mut generator = settings().into_generator();
    let mut paths = Map::new();
    for call in CALLS {
        let methods = paths.entry(call.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            methods.insert(call.method.to_lowercase(), call.describe(&mut generator));
        }
    }
    // Named in every call, so it must be there even if no call returns it.
    generator.subschema_for::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Consign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Threshold signing: every node of a cluster answers the same calls. Bodies are complete, no \
                node fills in a default, and unknown fields are refused. Problems are RFC 9457 documents whose `type` is \
                stable and whose `detail` says what to do. What only the operator of a node does goes over a socket of its own \
                (`x-consign-operator-socket`). Clients with a key of their own sign each GET, and each POST \
                that starts a ceremony: HTTP Message Signatures (RFC 9421) as docs/wire.md says.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The content of the file `api-token` in the node's data folder.",
            }},
        },
    })
}

impl Call {
    /// Every problem it may be answered with, by status.
    #[must_use]
    pub fn problems(&self) -> Vec<ProblemKind> {
        let mut problems: Vec<ProblemKind> = self.problems.to_vec();
        problems.extend(OF_ALL);
        problems.extend(if self.open { &[] } else { OF_CLOSED });
        problems.extend(if self.body.is_some() { OF_BODIES } else { &[] });
        problems.extend(if self.named { OF_NAMED } else { &[] });
        problems.extend(self.operator.then_some(ProblemKind::Forbidden));
        problems.sort_by_key(|kind| (kind.status(), kind.urn()));
        problems.dedup();
        problems
    }

    /// Every status it may be answered with when it works.
    pub fn successes(&self) -> impl Iterator<Item = u16> {
        self.answers.iter().map(|(status, ..)| *status)
    }

    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut call = Map::new();
        call.insert("operationId".to_owned(), self.name.into());
        call.insert("summary".to_owned(), self.summary.into());
        if !self.description.is_empty() {
            call.insert("description".to_owned(), self.description.into());
        }
        let parameters = self.parameters();
        if !parameters.is_empty() {
            call.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = self.body {
            let content = json!({ "application/json": { "schema": body(generator) } });
            call.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        if self.open || self.operator {
            call.insert("security".to_owned(), json!([]));
        }
        if self.operator {
            let text = "The Unix socket `operator.sock` in the node's data folder, which only the node's own user opens. \
                Over TCP the call is refused (403).";
            call.insert("servers".to_owned(), json!([{ "url": OPERATOR_SOCKET, "description": text }]));
            call.insert("x-consign-operator-socket".to_owned(), true.into());
        }
        call.insert("responses".to_owned(), self.responses(generator));
        call.into()
    }

    fn parameters(&self) -> Vec<Value> {
        let mut parameters = Vec::new();
        if self.path.contains("{id}") {
            let schema = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
            parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
        }
        if self.path.contains("{act}") {
            let schema = json!({ "type": "string", "enum": Act::ALL.map(Act::word) });
            parameters.push(json!({ "name": "act", "in": "path", "required": true, "schema": schema }));
        }
        if let Some(query) = self.query {
            // Each field of the type is a parameter of its own.
            let inline = settings().with(|settings| settings.inline_subschemas = true);
            let mut schema = query(&mut inline.into_generator());
            ForPeople.transform(&mut schema);
            let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, mut schema) in fields {
                let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
                parameters.push(
                    json!({ "name": name, "in": "query", "description": description, "schema": schema }),
                );
            }
        }
        if self.named {
            let most = crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header",
                "description": "With the same key and body the first answer is given again, and nothing runs twice.",
                "schema": { "type": "string", "pattern": format!("^[!-~]{{1,{most}}}$"), "maxLength": most },
            }));
        }
        if self.waits {
            parameters.push(json!({
                "name": "Prefer", "in": "header",
                "description": "`wait=N`: answer when it is done, but at the latest after N seconds (RFC 7240).",
                "schema": { "type": "string", "examples": ["wait=60"] },
            }));
        }
        parameters
    }

    fn responses(&self, generator: &mut SchemaGenerator) -> Value {
        let mut responses = Map::new();
        for (status, meaning, content) in self.answers {
            let content = match content {
                Content::Json(make) => json!({ "application/json": { "schema": make(generator) } }),
                Content::Text(media) => json!({ *media: { "schema": { "type": "string" } } }),
                Content::Events(name, make) => describe_events(name, make(generator)),
                Content::Bytes(media) => json!({ *media: {} }),
                Content::Nothing => json!({}),
            };
            responses.insert(status.to_string(), json!({ "description": meaning, "content": content }));
        }
        let reference = generator.subschema_for::<Problem>();
        for kind in self.problems() {
            let line = format!("`{}`: {}.", kind.urn(), kind.title());
            let response = responses.entry(kind.status().to_string()).or_insert_with(
                || json!({ "description": "", "content": { PROBLEM_MEDIA_TYPE: { "schema": reference } } }),
            );
            if let Some(Value::String(text)) = response.get_mut("description") {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&line);
            }
        }
        // Before a call is read, so there is no problem document.
        let line = format!("The request line has more than some {MAX_HEAD_BYTES} bytes.");
        responses.insert("414".to_owned(), json!({ "description": line }));
        let line = format!(
            "The request line and the header fields have more than some {MAX_HEAD_BYTES} bytes, or there are more than \
             {MAX_HEADERS} fields."
        );
        responses.insert("431".to_owned(), json!({ "description": line }));
        responses.into()
    }
}

/// A stream of server-sent events. OpenAPI 3.1 does not say how to describe one; programs that read it take the schema as
/// that of each event, which is what OpenAPI 3.2 calls `itemSchema`.
fn describe_events(name: &str, payload: Schema) -> Value {
    json!({ "text/event-stream": { "schema": {
        "type": "object",
        "description": "Each event, by its fields.",
        "required": ["event", "id", "data"],
        "properties": {
            "event": { "const": name },
            "id": { "type": "string", "description": "For `Last-Event-ID`." },
            "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": payload },
        },
    } } })
}
