//! Canonical JSON (RFC 8785), narrowed: no floats, no nulls. Two equal values have one text, so
//! that a digest or a signature over the text is one over the value.

use serde::Serialize;
use serde_json::Value;

/// Why a value has no canonical text here, or a text is not the canonical one.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// A number with a fraction or exponent, or beyond 2^53.
    #[error("number {0} at {1}; write fractions as a decimal string")]
    Number(String, String),
    /// A null.
    #[error("null at {0}; leave the key out instead")]
    Null(String),
    /// Not JSON, or not serialisable.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON, but not written canonically: reordered, spaced or duplicate keys.
    #[error("JSON is not canonical (RFC 8785): keys out of order, duplicate keys or spare white space")]
    NotCanonical,
    /// Nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Deep,
}

/// How deep a value may nest.
pub const MAX_DEPTH: usize = 16;

/// The largest integer that every JSON reader keeps exactly (RFC 7493, I-JSON).
const MAX_SAFE: u64 = 1 << 53;

/// The canonical text of `value`.
pub fn to_string(value: &impl Serialize) -> Result<String, CanonicalError> {
    let value = serde_json::to_value(value)?;
    check(&value, "$", 0)?;
    Ok(serde_json_canonicalizer::to_string(&value)?)
}

/// Reads `text`, which must be exactly the canonical text of what it says.
pub fn from_str(text: &str) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_str(text)?;
    if to_string(&value)? == text { Ok(value) } else { Err(CanonicalError::NotCanonical) }
}

/// Refuses floats, nulls, unsafe integers and deep nesting; `path` names the place in messages.
pub fn check(value: &Value, path: &str, depth: usize) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        return Err(CanonicalError::Deep);
    }
    match value {
        Value::Null => Err(CanonicalError::Null(path.to_owned())),
        Value::Number(number) => {
            let safe = number.as_u64().is_some_and(|n| n <= MAX_SAFE)
                || number.as_i64().is_some_and(|n| n.unsigned_abs() <= MAX_SAFE);
            if safe { Ok(()) } else { Err(CanonicalError::Number(number.to_string(), path.to_owned())) }
        }
        Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| check(item, &format!("{path}[{at}]"), depth + 1)),
        Value::Object(map) => {
            map.iter().try_for_each(|(key, item)| check(item, &format!("{path}.{key}"), depth + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_read() {
        assert!(from_str(r#"{"a":1,"b":"x"}"#).is_ok());
        for bad in [
            r#"{"b":"x","a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1.5}"#,
            r#"{"a":null}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":1}{"#,
            r#"{"a":"\u0078"}"#,
        ] {
            assert!(from_str(bad).is_err(), "{bad}");
        }
    }
}
