//! `.env` beside the configuration: secrets, mode 0600, one `NAME='value'` a line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use daemon::{Failure, OrFailure as _};
use secrecy::{ExposeSecret as _, SecretString};
use vault::durable;

/// Writes secrets into the file at `path`, which is made if it is not there; other lines stay. A
/// name that is there already gets the new value in its place, and its later repetitions go.
pub fn set(path: &Path, secrets: &[(String, SecretString)]) -> Result<(), Failure> {
    if secrets.is_empty() {
        return Ok(());
    }
    let cannot = || format!("cannot write the secrets to {}", path.display());
    let old = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::usage(cannot()).because(error)),
    };
    let new = with(&old, secrets)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).or_usage(cannot())?;
    }
    durable::replace(path, new.as_bytes()).or_failed(cannot())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).or_failed(cannot())
}

fn with(old: &str, secrets: &[(String, SecretString)]) -> Result<String, Failure> {
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    for (name, value) in secrets {
        let line = format!("{name}={}", quoted(name, value.expose_secret())?);
        let mut at = None;
        let mut n = 0;
        lines.retain(|line| {
            let same = named(line) == Some(name.as_str());
            let keep = !same || at.is_none();
            if same && at.is_none() {
                at = Some(n);
            }
            n += usize::from(keep);
            keep
        });
        match at.and_then(|at| lines.get_mut(at)) {
            Some(place) => *place = line,
            None => lines.push(line),
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// The variable that a line sets.
fn named(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    line.split_once('=').map(|(name, _)| name.trim_end()).filter(|name| !name.starts_with('#'))
}

/// Between single quotes nothing is special but the quote itself; between double quotes it is the
/// other characters that are escaped.
fn quoted(name: &str, value: &str) -> Result<String, Failure> {
    if value.is_empty() || value.contains(['\n', '\r', '\0']) {
        return Err(Failure::usage(format!("the secret for {name} is empty or has a line break"))
            .hint("put the secret alone, on one line, into the file"));
    }
    if !value.contains('\'') {
        return Ok(format!("'{value}'"));
    }
    let mut text = String::from('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use daemon::{Env, Surroundings};

    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, SecretString)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
    }

    fn read(path: &Path) -> Env {
        Env::of(&Surroundings::default()).with_file(path.to_owned()).expect("readable")
    }

    #[test]
    fn any_secret_comes_back_as_it_was() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("new/.env");
        for value in ["x", "a b", "$HOME", "it's", "say \"hi\" # no", "back\\slash", "'$x' \\\"", "ü€", "=="]
        {
            set(&path, &given(&[("A_PASSWORD", value)])).expect("written");
            assert_eq!(read(&path).get("A_PASSWORD"), Some(value));
            assert_eq!(std::fs::metadata(&path).expect("metadata").mode() & 0o777, 0o600);
        }
        assert!(set(&path, &given(&[("A_PASSWORD", "a\nB=1")])).is_err());
        assert_eq!(read(&path).get("B"), None);
    }

    #[test]
    fn other_lines_stay_and_an_empty_or_repeated_one_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, "# mine\nOTHER=1\nexport A=''\nDRY_RUN=false\nA=old\n").expect("written");
        set(&path, &given(&[("A", "new"), ("B", "two")])).expect("written");
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, "# mine\nOTHER=1\nA='new'\nDRY_RUN=false\nB='two'\n");
    }
}
