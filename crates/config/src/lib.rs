//! The shape of `config.yaml`: every key, its unit, its default, and what is said of a key that
//! does not exist. Pure: who reads files and the environment is `daemon`.
//!
//! Secrets are never in it; a [`Secret`] says where one is to be found.

mod approval;
mod claude_code;
mod drafter;
mod limits;
mod mail;
mod odoo;
mod payment;
mod schedules;
mod sections;
mod social;
mod whatsapp;

pub use approval::{Approval, UndoSeconds};
pub use claude_code::ClaudeCode;
pub use drafter::{Budget, Drafter, DrafterKind, Llm, Provider};
pub use limits::{Ceiling, Limits, ToolLimit};
pub use mail::{Imap, ImapAuth, MailAccount, SaveSent, Secret, Security, Smtp};
pub use odoo::{Odoo, OdooApi};
pub use payment::{BankApi, Payment};
pub use schedules::{Duty, Schedule, Schedules};
pub use sections::{
    AgentSection, Channel, Claims, Config, Expectation, Health, Mcp, Modes, Owner, Sync, Vault, Watchers,
};
pub use social::{Page, Social};
pub use whatsapp::Whatsapp;

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("config.yaml has the unknown key {key:?}{place}{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where, as ` at line 3 column 5`, or empty.
        place: String,
        /// The nearest known key, as `; did you mean "sync"?`, or the known ones.
        hint: String,
    },
    /// Anything else.
    #[error("config.yaml does not fit: {0}")]
    Invalid(String),
}

/// Reads a configuration; an empty text is all defaults.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Config::default());
    }
    let config: Config = serde_yaml::from_str(text).map_err(|error| explain(&error.to_string()))?;
    config.check().map_err(ConfigError::Invalid)?;
    Ok(config)
}

/// Turns the decoder's message about an unknown field into ours, with the nearest key.
fn explain(message: &str) -> ConfigError {
    let Some((_, rest)) = message.split_once("unknown field `") else {
        return ConfigError::Invalid(message.to_owned());
    };
    let Some((key, rest)) = rest.split_once('`') else {
        return ConfigError::Invalid(message.to_owned());
    };
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let place = rest.rfind(" at line").map(|at| rest[at..].to_owned()).unwrap_or_default();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(key, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(key.len()) / 2)
        .min();
    let hint = match nearest {
        Some((_, candidate)) => format!("; did you mean {candidate:?}?"),
        None => format!("; known here: {}", known.join(", ")),
    };
    ConfigError::UnknownKey { key: key.to_owned(), place, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(parse("# nothing\n\n"), Ok(Config::default()));
        assert_eq!(parse("sync:\n  enabled: false\n"), Ok(Config::default()));
    }

    #[test]
    fn the_shipped_file_is_complete_and_says_the_defaults() {
        let text = include_str!("../../../config.yaml");
        assert_eq!(parse(text), Ok(Config::default()));
        // Every key that exists is in the file, as a setting or in a comment.
        let all = serde_yaml::to_string(&Config::sample()).expect("yaml");
        for key in
            all.lines().filter_map(|l| l.trim_start_matches([' ', '-']).split_once(':')).map(|(k, _)| k)
        {
            assert!(text.contains(&format!("{key}:")), "config.yaml does not show the key {key}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_nearest() {
        let check = |text: &str, parts: &[&str]| {
            let message = parse(text).expect_err(text).to_string();
            for part in parts {
                assert!(message.contains(part), "{message}");
            }
        };
        check("snyc:\n  enabled: true\n", &["\"snyc\"", "did you mean \"sync\"?"]);
        check(
            "sync:\n  intervall_seconds: 5\n",
            &["\"intervall_seconds\"", "\"interval_seconds\"", "line 2"],
        );
        check("zzzzzz: 1\n", &["known here: agent"]);
        check("sync:\n  enabled: maybe\n", &["does not fit", "line 2"]);
        check("drafter:\n  llm:\n    budget:\n      money_per_day: lots\n", &["does not fit"]);
        check(
            "mail:\n  - name: a\n    address: a@b\n  - name: a\n    address: c@d\n",
            &["two accounts named \"a\""],
        );
    }
}
