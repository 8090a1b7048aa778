//! `config.yaml`, from answers.

use std::path::{Path, PathBuf};

use config::{Config, MailAccount};
use daemon::{Failure, OrFailure as _};
use serde::Serialize;
use serde_yaml::{Mapping, Value};
use vault::durable;

use crate::config_edit::edited;

/// What stands above a file that was written here.
const HEADER: &str = "\
# The AI Employee's configuration on this machine; delete a line to have its default back.
# Every key that exists, with its default, is in the config.yaml that comes with the program.
# Secrets are in .env beside this file.
";

/// What to change: paths such as `sync.remote`, with their values.
#[derive(Clone, Debug, Default)]
pub struct Changes(Mapping);

impl Changes {
    /// Sets a key; sections on the way are made.
    pub fn set(&mut self, path: &str, value: impl Serialize) -> Result<(), Failure> {
        let value = serde_yaml::to_value(value).or_failed("cannot write the configuration")?;
        let (section, key) = path.split_once('.').unwrap_or(("", path));
        if section.is_empty() {
            self.0.insert(key.into(), value);
        } else if let Value::Mapping(inner) =
            self.0.entry(section.into()).or_insert_with(|| Value::Mapping(Mapping::new()))
        {
            inner.insert(key.into(), value);
        }
        Ok(())
    }

    /// Sets or replaces the mail account of this name.
    pub fn account(&mut self, account: &MailAccount) -> Result<(), Failure> {
        let mut value = serde_yaml::to_value(account).or_failed("cannot write the configuration")?;
        without_nulls(&mut value);
        if let Value::Sequence(accounts) =
            self.0.entry("mail".into()).or_insert_with(|| Value::Sequence(Vec::new()))
        {
            accounts.push(value);
        }
        Ok(())
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What became of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It says all of it already.
    Unchanged,
    /// It was made.
    New,
    /// It was changed; the old one is kept here.
    Changed(PathBuf),
}

/// Brings the file at `path` to say `changes`. What it says besides stays, with its comments, where
/// it is; the old file is kept beside the new one.
pub fn write(path: &Path, changes: &Changes) -> Result<Written, Failure> {
    let old = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::usage(format!("cannot read {}", path.display())).because(error)),
    };
    let new = merged(old.as_deref().unwrap_or_default(), changes)
        .map_err(|failure| failure.hint(format!("it is about {}", path.display())))?;
    if let Some(old) = &old {
        let same: (Config, Config) = (parse(old, path)?, parse(&new, path)?);
        if same.0 == same.1 {
            return Ok(Written::Unchanged);
        }
    } else {
        parse(&new, path)?;
    }
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).or_usage(cannot())?;
    }
    let Some(old) = old else {
        durable::replace(path, new.as_bytes()).or_failed(cannot())?;
        return Ok(Written::New);
    };
    let kept = spare(path);
    durable::replace(&kept, old.as_bytes()).or_failed(cannot())?;
    durable::replace(path, new.as_bytes()).or_failed(cannot())?;
    Ok(Written::Changed(kept))
}

/// A name beside the file that nothing has.
fn spare(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..).map(|n| path.with_file_name(format!("{name}.before-{n}")));
    names.into_iter().find(|name| !name.exists()).unwrap_or_else(|| path.with_extension("before"))
}

fn parse(text: &str, path: &Path) -> Result<Config, Failure> {
    config::parse(text).or_usage(format!("cannot use {}", path.display()))
}

fn merged(old: &str, changes: &Changes) -> Result<String, Failure> {
    let before: Value = serde_yaml::from_str(old).or_usage("the configuration is no YAML")?;
    let mut all = match before {
        Value::Mapping(all) => all,
        _ => Mapping::new(),
    };
    for (key, value) in &changes.0 {
        match (all.get_mut(key), value) {
            (Some(Value::Mapping(section)), Value::Mapping(new)) => {
                section.extend(new.clone());
            }
            (Some(Value::Sequence(accounts)), Value::Sequence(new)) => {
                for account in new {
                    match accounts.iter_mut().find(|old| old.get("name") == account.get("name")) {
                        Some(old) => *old = account.clone(),
                        None => accounts.push(account.clone()),
                    }
                }
            }
            _ => drop(all.insert(key.clone(), value.clone())),
        }
    }
    if !old.trim().is_empty()
        && let Some(text) = edited(old, &all)
    {
        return Ok(text);
    }
    // A new file, or one in which the place of a value cannot be told: there the comments are in the old file alone.
    let text = serde_yaml::to_string(&Value::Mapping(all)).or_failed("cannot write the configuration")?;
    Ok(format!("{HEADER}\n{}\n", text.trim_end()))
}

/// Keys that say nothing are left out.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            mapping.retain(|_, value| !matches!(value, Value::Null));
            mapping.iter_mut().for_each(|(_, value)| without_nulls(value));
        }
        Value::Sequence(values) => values.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Changes {
        let mut changes = Changes::default();
        changes.set("owner.name", "Jane").expect("set");
        changes.set("sync.enabled", true).expect("set");
        changes.set("sync.remote", "git@git.example.com:jane/vault.git").expect("set");
        changes.account(&Config::sample().mail[0]).expect("set");
        changes
    }

    #[test]
    fn a_new_file_is_a_configuration_that_says_what_was_answered() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("new/config.yaml");
        assert_eq!(write(&path, &changes()).expect("written"), Written::New);
        let config = parse(&std::fs::read_to_string(&path).expect("text"), &path).expect("a configuration");
        assert_eq!(config.owner.name, "Jane");
        assert_eq!(config.sync.remote.as_deref(), Some("git@git.example.com:jane/vault.git"));
        assert_eq!(config.mail, Config::sample().mail);
        assert_eq!(write(&path, &changes()).expect("again"), Written::Unchanged);
    }

    #[test]
    fn what_a_file_says_besides_stays_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yaml");
        let old = "# mine\nsync: { enabled: false, interval_seconds: 7 }\nlimits: { tool_per_day: 9 }\nmail:\n\
                   - { name: home, address: home@example.com }\n- { name: work, address: old@example.com }\n";
        std::fs::write(&path, old).expect("written");
        let Written::Changed(kept) = write(&path, &changes()).expect("written") else { panic!("changed") };
        assert_eq!(std::fs::read_to_string(kept).expect("kept"), old);
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("# mine\nsync: { enabled: true, interval_seconds: 7, remote: "), "{text}");
        let config = parse(&text, &path).expect("a configuration");
        assert_eq!((config.sync.interval_seconds, config.sync.enabled), (7, true));
        assert_eq!(config.limits.tool_per_day, 9);
        let addresses: Vec<&str> = config.mail.iter().map(|account| account.address.as_str()).collect();
        assert_eq!(addresses, ["home@example.com", "owner@example.com"]);
    }

    #[test]
    fn a_broken_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yaml");
        for broken in ["sync: [", "snyc: {}\n"] {
            std::fs::write(&path, broken).expect("written");
            assert_eq!(write(&path, &changes()).expect_err(broken).status(), 2);
            assert_eq!(std::fs::read_to_string(&path).expect("text"), broken);
        }
    }
}
