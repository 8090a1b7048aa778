//! Vaults with years of finished tasks, and the remotes they are clones of.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::lab::{OrFailed as _, git, git_command};
use super::{Outcome, samples};

/// What a vault's own git leaves alone.
const IGNORE: &[u8] = b".*\n!.gitignore\n";

/// Makes a bare repository `folder/name` whose one commit has `tasks` finished tasks.
pub(crate) fn remote(folder: &Path, name: &str, tasks: usize) -> Outcome<PathBuf> {
    let path = folder.join(name);
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", name])?;
    let mut importer = git_command(&path)
        .args(["fast-import", "--quiet", "--depth=1"])
        .stdin(Stdio::piped())
        .spawn()
        .or_failed("start git fast-import")?;
    let input = importer.stdin.take().ok_or("git fast-import has no input")?;
    let written = write_commit(BufWriter::with_capacity(1 << 20, input), tasks);
    let status = importer.wait().or_failed("wait for git fast-import")?;
    written?;
    if status.success() { Ok(path) } else { Err(format!("git fast-import ended with {status}")) }
}

fn write_commit(mut out: impl Write, tasks: usize) -> Outcome {
    let failed = "write to git fast-import";
    let message = "vault of the benchmark";
    write!(out, "commit refs/heads/main\ncommitter bench <bench@example.com> 1771800000 +0000\n")
        .or_failed(failed)?;
    write!(out, "data {}\n{message}\n", message.len()).or_failed(failed)?;
    let mut file = |path: &str, bytes: &[u8]| {
        write!(out, "M 100644 inline {path}\ndata {}\n", bytes.len())?;
        out.write_all(bytes)?;
        out.write_all(b"\n")
    };
    file(".gitignore", IGNORE).or_failed(failed)?;
    for n in 0..tasks {
        let (path, bytes) = samples::finished(n, tasks)?;
        file(&path, &bytes).or_failed(failed)?;
    }
    out.flush().or_failed(failed)
}

/// A second, equal remote.
pub(crate) fn copy(remote: &Path, name: &str) -> Outcome<PathBuf> {
    let path = remote.with_file_name(name);
    git(remote, &["clone", "--quiet", "--bare", ".", &path.to_string_lossy()])?;
    Ok(path)
}

/// An ordinary clone of `remote`.
pub(crate) fn clone(remote: &Path, to: &Path) -> Outcome {
    let folder = to.parent().ok_or("a clone needs a folder above it")?;
    git(folder, &["clone", "--quiet", &remote.to_string_lossy(), &to.to_string_lossy()])?;
    Ok(())
}
