//! Trying a remote out before anything depends on it: is it there, may we push, and is somebody
//! of our name awake. Works in a temporary repository; the vault is not touched. Calls block.

use std::time::Duration;

use chrono::{DateTime, Utc};
use git2::{ObjectType, Repository, RepositoryInitOptions};
use task::AgentId;

use crate::SyncError;
use crate::git::{Git, clean};
use crate::heartbeat::{BRANCHES, REFS};
use crate::transport::{Pushed, Transport as _, Trouble, TroubleKind};

/// What a look at a remote found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Whether it has the branch: a vault that can be brought back.
    pub has_branch: bool,
    /// The signs of life that stand there, as agent and an opaque text that changes with each one.
    pub signs: Vec<(AgentId, String)>,
}

/// A remote that is tried out.
pub struct Trial {
    _folder: tempfile::TempDir,
    repo: Repository,
    git: Git,
    remote: String,
    branch: String,
}

impl Trial {
    /// Prepares it; no network is touched.
    pub fn of(remote: &str, branch: &str, timeout: Duration) -> Result<Self, SyncError> {
        let other = |said: String| {
            let trouble = Trouble { kind: TroubleKind::Other, said, may_have_happened: false };
            SyncError::of(trouble, &clean(remote), "a temporary folder")
        };
        let folder = tempfile::tempdir().map_err(|e| other(format!("make a folder: {e}")))?;
        let failed = |e: git2::Error| other(format!("set up git: {}", e.message()));
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).bare(true);
        let repo = Repository::init_opts(folder.path(), &options).map_err(failed)?;
        repo.remote("origin", remote).map_err(failed)?;
        let own_ssh = repo.config().map_err(failed)?.get_string("core.sshCommand").is_ok();
        let git = Git { directory: repo.path().to_owned(), timeout, own_ssh };
        Ok(Self { _folder: folder, repo, git, remote: remote.to_owned(), branch: branch.to_owned() })
    }

    /// Looks at the remote. One network round.
    pub fn look(&self) -> Result<Seen, SyncError> {
        let branch = format!("refs/heads/{}", self.branch);
        let patterns = [branch.clone(), format!("{REFS}*"), format!("{BRANCHES}*")];
        let refs = self.git.ls_remote(&patterns).map_err(|trouble| self.error(trouble))?;
        let mut seen = Seen { has_branch: false, signs: Vec::new() };
        for (id, name) in refs {
            seen.has_branch |= name == branch;
            let sign = match (name.strip_prefix(REFS), name.strip_prefix(BRANCHES)) {
                (Some(rest), _) => rest.split_once('/').map(|(agent, text)| (agent, text.to_owned())),
                (None, Some(agent)) => Some((agent, id.to_string())),
                (None, None) => None,
            };
            if let Some((agent, text)) =
                sign.and_then(|(agent, text)| Some((AgentId::new(agent).ok()?, text)))
            {
                seen.signs.push((agent, text));
            }
        }
        seen.signs.sort();
        Ok(seen)
    }

    /// Pushes an empty commit under a name of its own and takes it away again. Two network rounds.
    pub fn push(&self, me: &AgentId, now: DateTime<Utc>) -> Result<(), SyncError> {
        let commit = || {
            let tree = self.repo.odb()?.write(ObjectType::Tree, b"")?;
            let who = crate::engine::signature(me, now)?;
            self.repo.commit(None, &who, &who, "trial", &self.repo.find_tree(tree)?, &[])
        };
        let commit = commit().map_err(SyncError::repository("write a commit"))?;
        let tag = format!("{commit}");
        let tag = tag.get(..8).unwrap_or_default();
        // Agents ignore it: it counts nothing.
        let names = [format!("{REFS}{me}/trial-{tag}"), format!("{BRANCHES}trial-{tag}")];
        let mut said = String::new();
        for name in names {
            let refspec = [format!("{commit}:{name}")];
            match self.git.push_refs(&refspec, true).map_err(|trouble| self.error(trouble))? {
                Pushed::Accepted => {
                    // A name that stays is untidy, nothing worse.
                    if let Err(trouble) = self.git.push_refs(&[format!(":{name}")], true) {
                        tracing::debug!(said = trouble.said, "the trial's name stays at the remote");
                    }
                    return Ok(());
                }
                Pushed::Moved => said = "the trial's name is taken".into(),
                Pushed::Declined(why) | Pushed::Locked(why) => said = why,
            }
        }
        Err(SyncError::Declined { remote: clean(&self.remote), said })
    }

    fn error(&self, trouble: Trouble) -> SyncError {
        SyncError::of(trouble, &clean(&self.remote), "a clone of it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> AgentId {
        "local-001".parse().expect("agent")
    }

    #[test]
    fn an_empty_remote_takes_a_trial_push_and_keeps_nothing_of_it() {
        let folder = tempfile::tempdir().expect("folder");
        let bare = folder.path().join("remote.git");
        crate::make_remote(&bare, "main").expect("a remote");
        let trial = Trial::of(&bare.display().to_string(), "main", Duration::from_secs(20)).expect("a trial");
        assert_eq!(trial.look().expect("seen"), Seen { has_branch: false, signs: Vec::new() });
        trial.push(&agent(), Utc::now()).expect("pushed");
        assert_eq!(trial.look().expect("seen"), Seen { has_branch: false, signs: Vec::new() });
    }

    #[test]
    fn a_remote_that_is_not_there_or_takes_no_push_says_so() {
        let folder = tempfile::tempdir().expect("folder");
        let missing = folder.path().join("missing.git").display().to_string();
        let trial = Trial::of(&missing, "main", Duration::from_secs(20)).expect("a trial");
        assert!(matches!(trial.look(), Err(SyncError::Missing { .. })), "{:?}", trial.look());
        let bare = folder.path().join("remote.git");
        crate::make_remote(&bare, "main").expect("a remote");
        let hook = bare.join("hooks/pre-receive");
        std::fs::create_dir_all(bare.join("hooks")).expect("hooks");
        std::fs::write(&hook, "#!/bin/sh\necho read only >&2\nexit 1\n").expect("hook");
        let mut mode = std::fs::metadata(&hook).expect("metadata").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(&hook, mode).expect("chmod");
        let trial = Trial::of(&bare.display().to_string(), "main", Duration::from_secs(20)).expect("a trial");
        let error = trial.push(&agent(), Utc::now()).expect_err("declined").to_string();
        assert!(error.contains("read only"), "{error}");
    }
}
