//! The tools as other programs see them: descriptions and schemas from the server's module,
//! annotations from the policy table.

use std::sync::Arc;

use policy::{Class, Recovery};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::Value;
use task::Server;

use crate::{email, odoo, payment, social, whatsapp};

/// A tool in words, and the schema of its arguments.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> Option<Value>,
}

/// The schema of a SAFE tool's arguments.
pub(crate) fn schema<T: JsonSchema>() -> Option<Value> {
    Some(schemars::schema_for!(T).to_value())
}

/// An entry for a tool that can be proposed; its schema is the vocabulary's.
macro_rules! proposable {
    ($name:literal, $description:literal) => {
        $crate::catalog::Entry {
            name: $name,
            description: $description,
            schema: || task::Call::schema($name),
        }
    };
}
pub(crate) use proposable;

fn entries(server: Server) -> &'static [Entry] {
    match server {
        Server::Email => email::TOOLS,
        Server::Odoo => odoo::TOOLS,
        Server::Social => social::TOOLS,
        Server::Whatsapp => whatsapp::TOOLS,
        Server::Payment => payment::TOOLS,
    }
}

/// The tools of `server` up to `max_class`, in the policy table's order. A tool above it does not
/// exist for the caller.
pub(crate) fn tools(server: Server, max_class: Class) -> Vec<Tool> {
    policy::TOOLS
        .iter()
        .filter(|row| row.server == server && row.class <= max_class)
        .filter_map(|row| {
            let entry = entries(server).iter().find(|entry| entry.name == row.name)?;
            let Some(Value::Object(schema)) = (entry.schema)() else { return None };
            Some(Tool::new(row.name, described(entry, row.class), slim(schema)).annotate(annotations(row)))
        })
        .collect()
}

fn described(entry: &Entry, class: Class) -> String {
    match class {
        Class::Safe | Class::Draft => entry.description.to_owned(),
        Class::Dangerous => format!(
            "{} Runs only with the owner's signed order in the request's _meta ({:?}, {:?}); propose it as a draft \
             otherwise.",
            entry.description,
            task::Order::META_TEXT,
            task::Order::META_SIGNATURE
        ),
    }
}

/// A schema without what says nothing to a caller, and without null: an argument that is not given
/// is left out, and what is signed has no nulls.
fn slim(mut schema: JsonObject) -> Arc<JsonObject> {
    schema.remove("$schema");
    schema.remove("title");
    without_null(&mut schema);
    Arc::new(schema)
}

/// Turns "this or null" into "this", at every depth.
fn without_null(schema: &mut JsonObject) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                // The property's own description says more than its type's.
                schema.entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    for value in schema.values_mut() {
        match value {
            Value::Object(inner) => without_null(inner),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(without_null);
            }
            _ => {}
        }
    }
}

/// Hints for others; here they decide nothing.
fn annotations(row: &policy::Tool) -> ToolAnnotations {
    ToolAnnotations::new()
        .read_only(row.class == Class::Safe)
        .destructive(row.class == Class::Dangerous)
        .idempotent(row.class == Class::Safe || row.recovery == Recovery::Repeat)
        .open_world(row.class != Class::Draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_and_the_policy_table_have_the_same_tools() {
        for server in Server::ALL {
            let described: Vec<_> = entries(server).iter().map(|entry| entry.name).collect();
            let ruled: Vec<_> =
                policy::TOOLS.iter().filter(|row| row.server == server).map(|row| row.name).collect();
            assert_eq!(described, ruled, "{server}");
            let listed: Vec<_> = tools(server, Class::Dangerous).into_iter().map(|tool| tool.name).collect();
            assert_eq!(listed, ruled, "{server}: every tool has a schema");
        }
    }

    #[test]
    fn tools_above_the_class_do_not_exist() {
        for server in Server::ALL {
            for most in [Class::Safe, Class::Draft, Class::Dangerous] {
                for tool in tools(server, most) {
                    assert!(policy::class(server, &tool.name) <= most, "{}", tool.name);
                }
            }
        }
    }

    #[test]
    fn no_schema_speaks_of_null() {
        for server in Server::ALL {
            for tool in tools(server, Class::Dangerous) {
                let schema = Value::Object((*tool.input_schema).clone());
                assert!(!schema.to_string().contains("null"), "{}: {schema}", tool.name);
                assert_eq!(schema["type"], "object", "{}", tool.name);
            }
        }
    }

    #[test]
    fn annotations_follow_the_table() {
        let check = |server, name: &str, read_only, destructive, idempotent| {
            let tool = tools(server, Class::Dangerous).into_iter().find(|t| t.name == name).expect(name);
            let hints = tool.annotations.expect("annotations");
            let found = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint);
            assert_eq!(found, (Some(read_only), Some(destructive), Some(idempotent)), "{name}");
        };
        check(Server::Email, "search_email", true, false, true);
        check(Server::Email, "draft_email", false, false, false);
        check(Server::Email, "send_email", false, true, false);
        check(Server::Payment, "initiate_payment", false, true, true);
    }
}
