//! The values that must never be sent with the vault: what the configuration names as secrets,
//! and what environment and `.env` hold under names that say so. Passphrases are not among them:
//! a program that runs on its own never has one.

use std::path::Path;

use secrecy::SecretString;
use secret_scan::{Known, Scanner};
use serde_json::Value;

use crate::{Env, Failure, OrFailure as _, Setup};

/// The parts of a variable's name that say that its value is a secret.
const SAYS_SECRET: &[&str] =
    &["TOKEN", "KEY", "APIKEY", "SECRET", "PASSWORD", "PASSWD", "PASS", "PWD", "CREDENTIAL", "CREDENTIALS"];

/// What such a name ends in when the value is none.
const NAMES_A_PLACE: &[&str] = &["FILE", "PATH", "ID", "URL", "DIR", "NAME", "USER", "HOST"];

/// Looks for this setup's secrets in what is sent. What cannot be looked for is warned about.
pub fn secret_scanner(setup: &Setup) -> Result<Scanner, Failure> {
    let scanner = Scanner::new(known_secrets(setup)).or_failed("cannot guard secrets")?;
    for unguarded in scanner.unguarded() {
        tracing::warn!("{unguarded}");
    }
    Ok(scanner)
}

/// The values themselves, as far as they are there. What is missing is missed by whoever needs it.
fn known_secrets(setup: &Setup) -> Vec<Known> {
    let mut known = Vec::new();
    // Every place of the configuration that names a secret, also those that are still to come.
    let config = serde_json::to_value(&setup.config).unwrap_or_default();
    named("config.yaml", &config, &mut |place, secret| {
        if let Some(value) = value(&setup.env, secret) {
            known.push(Known { name: place.to_owned(), value });
        }
    });
    for name in setup.env.names() {
        let value = setup.env.get(name).filter(|value| is_secret(name, value));
        if let (Some(value), Some(place)) = (value, setup.env.place(name)) {
            known.push(Known { name: place, value: SecretString::from(value) });
        }
    }
    known
}

/// Hands every `{ env: …, file: … }` of a configuration to `see`.
fn named(place: &str, value: &Value, see: &mut dyn FnMut(&str, &config::Secret)) {
    match value {
        Value::Object(map) => {
            if map.len() == 2 && map.contains_key("env") && map.contains_key("file") {
                if let Ok(secret) = serde_json::from_value(value.clone()) {
                    see(place, &secret);
                }
                return;
            }
            for (key, value) in map {
                named(&format!("{place} {key}"), value, see);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str).map_or(at.to_string(), str::to_owned);
                named(&format!("{place} {name}"), value, see);
            }
        }
        _ => {}
    }
}

/// Who may read the file is no matter here: also a secret in the open must not be sent.
fn value(env: &Env, secret: &config::Secret) -> Option<SecretString> {
    let from_file = |path: &Path| {
        let small =
            std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= crate::secret::LONGEST);
        let text = if small { std::fs::read_to_string(path).ok()? } else { return None };
        Some(SecretString::from(text))
    };
    match (&secret.env, &secret.file) {
        (Some(name), _) => env.get(name).map(SecretString::from),
        (None, Some(path)) => from_file(path),
        (None, None) => None,
    }
}

fn is_secret(name: &str, value: &str) -> bool {
    let parts: Vec<String> = name.split('_').map(str::to_ascii_uppercase).collect();
    let says = |part: &String| SAYS_SECRET.contains(&part.as_str());
    let place = parts.last().is_some_and(|last| NAMES_A_PLACE.contains(&last.as_str()));
    // The working directory goes by these names.
    let directory = matches!(name, "PWD" | "OLDPWD");
    let points_to_a_file = value.starts_with('/') && Path::new(value).exists();
    parts.iter().any(says) && !place && !directory && !points_to_a_file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_a_value_is_a_secret() {
        for name in
            ["SMTP_PASSWORD", "ODOO_API_KEY", "X_ACCESS_TOKEN_SECRET", "stripe_secret_key", "MAIL_PWD"]
        {
            assert!(is_secret(name, "some value"), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "SMTP_PASSWORD_FILE",
            "ODOO_KEY_ID",
            "AGENT_ID",
            "DRY_RUN",
            "KEYBOARD",
            "KEY_PASSPHRASE_FILE",
        ] {
            assert!(!is_secret(name, "some value"), "{name}");
        }
        assert!(!is_secret("SSH_KEY", "/"));
    }

    #[test]
    fn every_secret_that_the_configuration_can_name_is_found() {
        let sample = serde_json::to_value(config::Config::sample()).expect("JSON");
        let mut places = Vec::new();
        named("config.yaml", &sample, &mut |place, _| places.push(place.to_owned()));
        for part in ["imap secret", "smtp secret", "llm api_key"] {
            assert!(places.iter().any(|place| place.ends_with(part)), "{part}: {places:?}");
        }
    }
}
