//! The main job with real parts: a mail arrives in Dovecot, the cloud agent drafts the answer and
//! pushes to a real Git remote, the owner approves, and it goes out through Postfix exactly once.
//!
//! The servers are started by `tests/services/mail.sh` and `git.sh`, whose addresses come in
//! `AIE_TEST_…` variables.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tests::{Machine, World};

/// One at a time: they share a mailbox, and each would work on the others' mail.
static MAILBOX: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has nothing to say about the next.
    MAILBOX.lock().unwrap_or_else(PoisonError::into_inner)
}

fn var(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: start tests/services/mail.sh and git.sh"))
}

/// Delivers a mail the way any stranger's server does: to the MX, in plain SMTP.
fn deliver(from: &str, to: &str, message: &str) {
    let stream =
        TcpStream::connect((var("AIE_TEST_HOST"), var("AIE_TEST_SMTP_PORT").parse::<u16>().expect("a port")))
            .expect("the MX");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    let mut writer = stream;
    let mut step = |command: &str, expected: &str| {
        writer.write_all(command.as_bytes()).expect("written");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a reply");
            if line.as_bytes().get(3) != Some(&b'-') {
                assert!(line.starts_with(expected), "{command:?}: {line}");
                return;
            }
        }
    };
    step("", "220");
    step("EHLO stranger.example\r\n", "250");
    step(&format!("MAIL FROM:<{from}>\r\n"), "250");
    step(&format!("RCPT TO:<{to}>\r\n"), "250");
    step("DATA\r\n", "354");
    step(&format!("{}\r\n.\r\n", message.replace('\n', "\r\n")), "250");
    step("QUIT\r\n", "221");
}

/// Every mail in a folder of a user's Maildir whose text contains `needle`.
fn mails(user: &str, folder: &str, needle: &str) -> Vec<String> {
    let root = PathBuf::from(var("AIE_TEST_MAIL_DIR")).join("users").join(user).join("Maildir").join(folder);
    let mut found = Vec::new();
    for part in ["new", "cur"] {
        let Ok(entries) = std::fs::read_dir(root.join(part)) else { continue };
        for entry in entries {
            let text = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
            if text.contains(needle) {
                found.push(text);
            }
        }
    }
    found
}

/// Waits until `ready`, looking again and again for at most `limit`.
fn until(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
    started.elapsed()
}

/// How a machine reaches the remote.
struct Remote {
    url: String,
    environment: Vec<(String, String)>,
}

fn bare(name: &str) -> (PathBuf, String) {
    let folder = PathBuf::from(var("AIE_TEST_GIT_BARE")).parent().expect("a folder").to_owned();
    let unique = format!("{name}-{}.git", std::process::id());
    let path = folder.join(&unique);
    let made = std::process::Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&path)
        .status()
        .expect("git");
    assert!(made.success());
    let enabled = std::process::Command::new("git")
        .arg("-C")
        .arg(&path)
        .args(["config", "http.receivepack", "true"])
        .status();
    assert!(enabled.expect("git").success());
    (path, unique)
}

fn over_ssh(name: &str) -> Remote {
    let (path, _) = bare(name);
    let url = var("AIE_TEST_GIT_SSH_URL");
    let old = var("AIE_TEST_GIT_BARE");
    Remote {
        url: url.replace(&old, &path.display().to_string()),
        environment: vec![(
            "GIT_SSH_COMMAND".into(),
            format!(
                "ssh -o BatchMode=yes -o IdentitiesOnly=yes -i {} -o UserKnownHostsFile={}",
                var("AIE_TEST_GIT_SSH_KEY"),
                var("AIE_TEST_GIT_KNOWN_HOSTS")
            ),
        )],
    }
}

fn over_https() -> Remote {
    let (_, unique) = bare("https");
    let url = var("AIE_TEST_GIT_HTTPS_URL");
    let base = url.rsplit_once('/').expect("an address").0;
    let setting = |n: usize, key: &str, value: String| {
        [(format!("GIT_CONFIG_KEY_{n}"), key.to_owned()), (format!("GIT_CONFIG_VALUE_{n}"), value)]
    };
    let mut environment = vec![("GIT_CONFIG_COUNT".to_owned(), "2".to_owned())];
    environment.extend(setting(0, "http.sslCAInfo", var("AIE_TEST_GIT_CA")));
    environment.extend(setting(
        1,
        "credential.helper",
        format!("store --file={}", var("AIE_TEST_GIT_CREDENTIALS")),
    ));
    Remote { url: format!("{base}/{unique}"), environment }
}

fn machine(world: &World, folder: &str, program: &str, agent: &str, remote: &Remote, smtp: bool) -> Machine {
    let server = |port: &str, security: &str, name: &str| {
        format!(
            "{{ host: localhost, port: {}, security: {security}, user: {}, secret: {{ env: {name} }}, ca_file: {:?} }}",
            var(port),
            var("AIE_TEST_MAIL_USER_A"),
            var("AIE_TEST_CA")
        )
    };
    let imap = server("AIE_TEST_IMAPS_PORT", "tls", "WORK_IMAP_PASSWORD");
    let smtp = if smtp {
        format!("    smtp: {}\n", server("AIE_TEST_SMTP_SUBMISSION_PORT", "starttls", "WORK_SMTP_SECRET"))
    } else {
        String::new()
    };
    let extra = format!(
        "modes: {{ dry_run: false, mock_data: false }}\n\
         sync: {{ enabled: true, remote: {:?}, interval_seconds: 1, push_gap_seconds: 0 }}\n\
         health: {{ expect: {{ cloud-001: always, local-001: on-demand }} }}\n\
         mail:\n  - name: work\n    address: {}\n    imap: {imap}\n{smtp}",
        remote.url,
        var("AIE_TEST_MAIL_USER_A"),
    );
    let mut machine = world.machine(folder, program, agent, &extra);
    machine.environment.extend(remote.environment.iter().cloned());
    machine.environment.insert("WORK_IMAP_PASSWORD".into(), var("AIE_TEST_MAIL_PASSWORD"));
    if !folder.starts_with("cloud") {
        machine.environment.insert("WORK_SMTP_SECRET".into(), var("AIE_TEST_MAIL_PASSWORD"));
    }
    machine
}

fn loop_over(remote: &Remote, tag: &str) {
    let world = World::new();
    let cloud = machine(&world, "cloud-machine", "cloud-agent", "cloud-001", remote, false);
    let owner = machine(&world, "owner-machine", "local-agent", "local-001", remote, true);
    owner.init();
    let (alice, bob) = (var("AIE_TEST_MAIL_USER_A"), var("AIE_TEST_MAIL_USER_B"));
    let marker = format!("{tag}-{}", std::process::id());
    let subject = format!("Question about the invoice {marker}");
    let message_id = format!("<{marker}@stranger.example>");

    deliver(
        &bob,
        &alice,
        &format!(
            "From: Bob <{bob}>\nTo: {alice}\nSubject: {subject}\nMessage-ID: {message_id}\nDate: Mon, 23 Feb 2026 03:15:00 +0000\n\nCould you send me the invoice again?\n"
        ),
    );
    until("the mail is in the mailbox", Duration::from_secs(20), || !mails(&alice, "", &marker).is_empty());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let waiting = owner.waiting();
    let id = waiting
        .iter()
        .find(|task| task["subject"].as_str().is_some_and(|s| s.contains(&marker)))
        .unwrap_or_else(|| panic!("no draft among {waiting:?}"))["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    owner.approve(&id);
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);

    let answered = format!("In-Reply-To: {message_id}");
    until("the answer is in the recipient's mailbox", Duration::from_secs(20), || {
        !mails(&bob, "", &answered).is_empty()
    });
    let received = mails(&bob, "", &answered);
    assert_eq!(received.len(), 1, "found once");
    assert!(received[0].contains(&format!("Subject: Re: {subject}")), "{}", received[0]);
    assert!(received[0].contains(&format!("References: {message_id}")), "{}", received[0]);
    assert_eq!(mails(&alice, ".Sent", &answered).len(), 1, "once in Sent");

    assert!(owner.place(&id).starts_with("Done/"));
    assert_eq!(cloud.tasks(), owner.tasks(), "both clones hold the same finished task");
    owner.ok(&["log", "verify"]);
    let dashboard = |machine: &Machine| {
        std::fs::read_to_string(machine.vault().join("Dashboard.md")).expect("a dashboard")
    };
    assert_eq!(dashboard(&cloud), dashboard(&owner));
    assert!(!contains_secret(&owner.vault(), &format!("\"{}\"", var("AIE_TEST_MAIL_PASSWORD"))));
}

fn contains_secret(folder: &Path, secret: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => path.file_name().is_some_and(|n| n != ".git") && contains_secret(&path, secret),
            false => String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).contains(secret),
        }
    })
}

#[test]
#[ignore = "needs Dovecot, Postfix and sshd: run by .ci/run"]
fn a_real_mail_is_answered_once_over_ssh() {
    let _alone = alone();
    loop_over(&over_ssh("ssh"), "ssh");
}

#[test]
#[ignore = "needs Dovecot, Postfix and nginx: run by .ci/run"]
fn a_real_mail_is_answered_once_over_https() {
    let _alone = alone();
    loop_over(&over_https(), "https");
}

#[test]
#[ignore = "needs Dovecot, Postfix and sshd: run by .ci/run"]
fn the_daemons_answer_a_mail_without_being_asked() {
    let _alone = alone();
    let remote = over_ssh("daemons");
    let world = World::new();
    let cloud = machine(&world, "cloud-machine", "cloud-agent", "cloud-001", &remote, false);
    let owner = machine(&world, "owner-machine", "local-agent", "local-001", &remote, true);
    owner.init();
    let mut daemons = Vec::new();
    for (machine, program) in [(&cloud, "cloud-agent"), (&owner, "local-agent")] {
        let log = std::fs::File::create(machine.vault().with_extension("log")).expect("a log");
        daemons.push(machine.command(program).stdout(Stdio::null()).stderr(log).spawn().expect("a daemon"));
    }
    let (alice, bob) = (var("AIE_TEST_MAIL_USER_A"), var("AIE_TEST_MAIL_USER_B"));
    let marker = format!("daemon-{}", std::process::id());
    // The first look has been made when the watermark stands: what comes now comes by IDLE.
    until("the mail source is up", Duration::from_secs(30), || {
        std::fs::read_to_string(cloud.data().join("watch/gmail-work.json"))
            .is_ok_and(|state| state.contains("complete_until\":\""))
    });
    let message_id = format!("<{marker}@stranger.example>");
    deliver(
        &bob,
        &alice,
        &format!(
            "From: Bob <{bob}>\nTo: {alice}\nSubject: Shall we meet {marker}\nMessage-ID: {message_id}\n\nDoes Friday suit you?\n"
        ),
    );
    let draft = || {
        owner.waiting().iter().find_map(|t| {
            t["subject"].as_str()?.contains(&marker).then(|| t["id"].as_str().map(str::to_owned))?
        })
    };
    until("the draft is on the owner's machine", Duration::from_secs(30), || draft().is_some());
    owner.approve(&draft().expect("the draft"));
    let answered = format!("In-Reply-To: {message_id}");
    until("the answer is out", Duration::from_secs(30), || !mails(&bob, "", &answered).is_empty());
    for daemon in &daemons {
        let killed = std::process::Command::new("kill").arg("-TERM").arg(daemon.id().to_string()).status();
        assert!(killed.expect("kill").success());
    }
    let asked = Instant::now();
    for mut daemon in daemons {
        let status = daemon.wait().expect("the daemon's end");
        assert!(status.success(), "{status}");
    }
    assert!(asked.elapsed() < Duration::from_secs(6), "drained in {:?}", asked.elapsed());
    assert_eq!(mails(&bob, "", &answered).len(), 1);
}
