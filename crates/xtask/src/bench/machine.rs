//! On what machine the figures were measured.

use std::path::Path;
use std::process::Command;

/// One line each, for the head of the table. What cannot be found out is left out.
pub(crate) fn facts(folder: &Path) -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let cores = std::thread::available_parallelism().ok().map(|cores| {
        let model = read("/proc/cpuinfo").and_then(|text| value_of(&text, "model name"));
        format!(
            "cores: {cores} ({}{})",
            std::env::consts::ARCH,
            model.map(|m| format!(", {m}")).unwrap_or_default()
        )
    });
    let memory =
        read("/proc/meminfo").and_then(|text| value_of(&text, "MemTotal")).map(|m| format!("memory: {m}"));
    let kernel = read("/proc/sys/kernel/osrelease").map(|release| format!("kernel: {}", release.trim()));
    let file_system = read("/proc/self/mountinfo")
        .and_then(|mounts| file_system(&mounts, folder))
        .map(|kind| format!("file system: {kind}"));
    let load = load().map(|load| format!("load average at the start: {load}"));
    let git =
        said_by("git", &["version"]).map(|version| format!("git: {}", version.replace("git version ", "")));
    let revision = said_by("git", &["describe", "--always", "--dirty"]).map(|r| format!("revision: {r}"));
    let date = Some(format!("date: {}", chrono::Utc::now().format("%Y-%m-%d %H:%M UTC")));
    [date, revision, cores, memory, kernel, file_system, git, load].into_iter().flatten().collect()
}

/// Whether more than half a core is taken by others.
pub(crate) fn is_busy() -> bool {
    load().is_some_and(|load| !matches!(load.split_once('.'), Some(("0", part)) if part < "50"))
}

/// The load average over the last minute.
fn load() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').next()?.to_owned())
}

/// The value behind `key` in text of lines `key : value`.
pub(crate) fn value_of(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
    values.next().map(|value| value.trim().to_owned())
}

/// The type and options of the file system that `folder` is on: the longest mount point above it.
fn file_system(mountinfo: &str, folder: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let fields: Vec<&str> = mount.split(' ').collect();
        let (point, options) = (Path::new(*fields.get(4)?), fields.get(5)?);
        folder
            .starts_with(point)
            .then(|| (point, format!("{} ({options})", kind.split(' ').next().unwrap_or(kind))))
    });
    // Of several on one point the last mounted one counts, which `max_by_key` returns.
    mounts.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind)
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_longest_mount_point() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /tmp rw,nosuid - tmpfs tmpfs rw
31 22 8:2 / /tm rw - xfs /dev/sdb rw
";
        let check = |folder: &str, expected: &str| {
            assert_eq!(file_system(mounts, Path::new(folder)).as_deref(), Some(expected));
        };
        check("/tmp/bench", "tmpfs (rw,nosuid)");
        check("/home/bench", "ext4 (rw,relatime)");
    }

    #[test]
    fn a_value_stands_behind_its_key() {
        assert_eq!(value_of("Name:\tx\nVmRSS:\t  5120 kB\n", "VmRSS").as_deref(), Some("5120 kB"));
        assert_eq!(value_of("model name\t: Some CPU\n", "model name").as_deref(), Some("Some CPU"));
        assert_eq!(value_of("Pss_Dirty: 1 kB\nPss: 2 kB\n", "Pss").as_deref(), Some("2 kB"));
    }
}
