//! Trying out what was said, before anything depends on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use daemon::{Failure, OrFailure as _, Setup};
use sync::{Seen, Trial};
use task::{AgentId, Clock as _, SystemClock};
use vault::Vault;

use crate::Finding;

/// How long one git command may take.
const GIT: Duration = Duration::from_secs(60);

/// An address without a password in it, on one line.
pub fn remote(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('-') || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err(format!("{text:?} is no address of a git repository, such as git@host:you/vault.git"));
    }
    let user = text.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if user.is_some_and(|(user, _)| user.contains(':')) {
        return Err(
            "the address has a password in it; it would be in the configuration and in the join code. \
                    Leave it out and let git find it: git config --global credential.helper store"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// Looks at the remote, and pushes a trial to it, as `me`.
pub async fn push(remote: &str, branch: &str, me: &AgentId) -> Result<Seen, Failure> {
    let (address, branch, agent) = (remote.to_owned(), branch.to_owned(), me.clone());
    let tried = tokio::task::spawn_blocking(move || {
        let trial = Trial::of(&address, &branch, GIT)?;
        let seen = trial.look()?;
        trial.push(&agent, SystemClock.now())?;
        Ok::<_, sync::SyncError>(seen)
    });
    tried
        .await
        .or_failed("the trial of the remote ended early")?
        .or_failed("the remote cannot be used")
        .map_err(|failure| failure.hint(format!("try it by hand: git ls-remote {remote}")))
}

/// One whole cycle of the vault with its remote: how many files came in. Nothing without sync.
pub async fn exchange(setup: &Setup, vault: &Vault) -> Result<usize, Failure> {
    let Some(sync) = worker::open_sync(setup, vault, Arc::new(SystemClock)).await? else { return Ok(0) };
    let done = sync.flush().await;
    sync.as_ref().clone().close().await;
    Ok(done.or_failed("cannot bring the vault and the remote together")?.pulled)
}

/// Whether an agent of this name gives signs of life at the remote, seen for at most `patience`.
pub async fn is_awake(
    remote: &str,
    branch: &str,
    agent: &AgentId,
    patience: Duration,
) -> Result<bool, Failure> {
    let (remote, branch, agent) = (remote.to_owned(), branch.to_owned(), agent.clone());
    let own = move |seen: Seen| -> Vec<String> {
        seen.signs.into_iter().filter(|(who, _)| *who == agent).map(|(_, sign)| sign).collect()
    };
    let look = move || Trial::of(&remote, &branch, GIT).and_then(|trial| trial.look());
    let once = {
        let look = look.clone();
        move || {
            let look = look.clone();
            async move {
                tokio::task::spawn_blocking(look)
                    .await
                    .or_failed("the look at the remote ended early")?
                    .or_failed("the remote cannot be used")
            }
        }
    };
    let first = own(once().await?);
    // One that never gave a sign is not awake; one that did may give the next in two minutes.
    if first.is_empty() {
        return Ok(false);
    }
    let end = tokio::time::Instant::now() + patience;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(2).min(patience)).await;
        if own(once().await?) != first {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has `mcp-email` try the configured accounts out; it is the program that holds their passwords.
pub fn mail(servers: &Path, config: &Path, data: &Path) -> Vec<Finding> {
    let program = servers.join("mcp-email");
    if !program.is_file() {
        return vec![Finding::wrong(
            "mail",
            format!("there is no {} to try the account with", program.display()),
            "install the mcp-* programs beside the agent, or set mcp.directory",
        )];
    }
    let output = Command::new(&program)
        .arg("--check")
        .arg("--config")
        .arg(config)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .output();
    match output {
        Err(error) => {
            vec![Finding::wrong("mail", format!("{} does not start: {error}", program.display()), "")]
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut found: Vec<Finding> = text.lines().filter_map(finding).collect();
            if found.is_empty() && !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                found.push(Finding::wrong("mail", said, ""));
            }
            found
        }
    }
}

fn finding(line: &str) -> Option<Finding> {
    let mut parts = line.splitn(3, '\t');
    match (parts.next()?, parts.next()?, parts.next()?) {
        ("ok", what, said) => Some(Finding::ok(format!("{what}, {said}"))),
        ("WRONG", what, why) => Some(Finding::wrong(what, why, "")),
        _ => None,
    }
}

/// The ssh keys that this user has, which a remote may be told of.
pub fn public_keys(home: &Path) -> Vec<PathBuf> {
    let names = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];
    names.iter().map(|name| home.join(".ssh").join(name)).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_refused() {
        for good in [
            "git@git.example.com:jane/vault.git",
            "ssh://git@h:2222/v.git",
            "https://git.example.com/v.git",
            "/srv/v.git",
        ] {
            assert_eq!(remote(&format!(" {good} ")).as_deref(), Ok(good));
        }
        let secret = ["https://jane:", "hunter2", "@git.example.com/v.git"].concat();
        for bad in ["", "-x", "a b", "a\nb", &secret] {
            let why = remote(bad).expect_err(bad);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_servers_lines_become_findings() {
        let good = finding("ok\tmail account work (imap)\tlogged in").expect("a finding");
        assert!(good.is_ok());
        let bad = finding("WRONG\tmail account work (smtp)\trefused").expect("a finding");
        assert_eq!(bad.to_string(), "WRONG mail account work (smtp): refused");
        assert!(finding("hello").is_none());
    }
}
