use super::temporaries::process_token;
use super::*;

fn folder() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = Dir::open(temp.path()).expect("open");
    (temp, dir)
}

fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().expect("spawn");
    let pid = child.id();
    child.wait().expect("wait");
    pid
}

#[test]
fn a_new_name_is_never_overwritten() {
    let (_temp, dir) = folder();
    dir.write_new("a", b"one").expect("new");
    assert!(matches!(dir.write_new("a", b"two"), Err(DurableError::Exists(_))));
    dir.write_new("b", b"three").expect("new");
    assert!(matches!(dir.rename_noreplace("b", &dir, "a"), Err(DurableError::Exists(_))));
    assert!(matches!(dir.rename_noreplace("c", &dir, "d"), Err(DurableError::Gone(_))));
    assert_eq!(dir.read("a", 10).expect("read").bytes, b"one");
    let mut names = dir.names().expect("names");
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn only_temporaries_of_dead_processes_are_swept() {
    let (temp, dir) = folder();
    let dead = dead_pid();
    let kept = [
        // Process 1 lives, and so do we; an older process with our pid does not.
        ".tmp-1-abc-0".to_owned(),
        format!(".tmp-{}-{}-7", std::process::id(), process_token()),
        "EMAIL_1.md".to_owned(),
        ".tmpfile".to_owned(),
    ];
    let swept = [format!(".tmp-{dead}-abc-0"), format!(".tmp-{}-other-7", std::process::id())];
    for name in kept.iter().chain(&swept) {
        std::fs::write(temp.path().join(name), "x").expect("write");
    }
    assert!(sweep(&dir).expect("sweep").is_empty());
    for name in &kept {
        assert!(temp.path().join(name).exists(), "{name}");
    }
    for name in &swept {
        assert!(!temp.path().join(name).exists(), "{name}");
    }
}

#[test]
fn words_swapped_out_before_a_crash_are_not_swept_away() {
    let (temp, dir) = folder();
    let dead = dead_pid();
    let name = |n: u32| {
        let [old, new] = ["old", "new"].map(|t| Digest::of(t).hex()[..16].to_owned());
        format!(".swap-{dead}-abc-{n}-{old}-{new}-APPROVE_X-1.md")
    };
    for (n, text) in ["old", "new", "", "a person's"].iter().enumerate() {
        std::fs::write(temp.path().join(name(u32::try_from(n).expect("small"))), text).expect("write");
    }
    let strays = sweep(&dir).expect("sweep");
    assert_eq!(strays.len(), 1);
    assert_eq!((strays[0].name.as_str(), strays[0].bytes.as_slice()), ("APPROVE_X-1.md", &b"a person's"[..]));
    assert_eq!(dir.names().expect("names"), [name(3).as_str()]);
}

#[test]
fn links_and_pipes_are_not_read() {
    let (temp, dir) = folder();
    std::fs::write(temp.path().join("secret"), "x").expect("write");
    std::os::unix::fs::symlink("secret", temp.path().join("link")).expect("link");
    rustix::fs::mkfifoat(dir.fd(), "pipe", Mode::from_raw_mode(0o600)).expect("pipe");
    assert!(dir.read("link", 10).is_err());
    assert!(dir.read("pipe", 10).is_err());
    assert_eq!(dir.read("secret", 0).expect_err("too large").cause, Errno::FBIG);
    std::os::unix::fs::symlink(temp.path(), temp.path().join("loop")).expect("link");
    assert!(dir.below("loop", false).is_err());
    assert!(dir.below("../x", true).is_err());
}
