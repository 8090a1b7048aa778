//! What can only be seen from outside of a process: exit status, signals, the supervisor's
//! socket. The test binary starts itself again as the program under test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use daemon::{Failure, Pulse, Shutdown, Supervisor, Threads};

/// Not a test: the program that the tests start, chosen by a variable.
#[test]
fn program() {
    let Ok(program) = std::env::var("PROBE") else { return };
    let threads = if program == "stuck" { Threads::Few } else { Threads::One };
    daemon::init_logging(&daemon::CommonArgs::default(), "info");
    let status = daemon::status("probe", threads, async move {
        match program.as_str() {
            "ok" => Ok(()),
            "failed" => Err(Failure::failed("cannot reach git.example").hint("check the network")),
            "usage" => Err(Failure::usage("cannot use config.yaml").because(std::io::Error::other("line 3"))),
            "drains" | "stuck" => {
                let supervisor = Supervisor::new();
                let shutdown = Shutdown::install()?;
                let pulse = Pulse::default();
                supervisor.watch(pulse.clone(), Duration::from_secs(60), shutdown.token());
                supervisor.ready();
                tracing::info!("up");
                let stuck = program == "stuck";
                let token = shutdown.token();
                let work = async {
                    token.cancelled().await;
                    if stuck {
                        std::future::pending::<()>().await;
                    }
                };
                shutdown.drain(work).await;
                supervisor.stopping();
                Ok(())
            }
            other => Err(Failure::usage(format!("no program {other}"))),
        }
    });
    std::process::exit(i32::from(status));
}

fn start(program: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "program", "--nocapture"])
        .env("PROBE", program)
        .env_remove("RUST_LOG")
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spawn")
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("kill");
}

/// Reads lines of stderr until one has `part`.
fn wait_for(lines: &mut impl BufRead, part: &str) -> String {
    let mut line = String::new();
    while lines.read_line(&mut line).expect("stderr") > 0 {
        if line.contains(part) {
            return line;
        }
        line.clear();
    }
    panic!("stderr ended without {part:?}");
}

#[test]
fn the_exit_status_tells_failure_from_misuse() {
    let check = |program: &str, status: i32, said: &str| {
        let output = start(program, &[]).wait_with_output().expect("output");
        assert_eq!(output.status.code(), Some(status), "{program}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), said);
    };
    check("ok", 0, "");
    check("failed", 1, "probe: cannot reach git.example\n  check the network\n");
    check("usage", 2, "probe: cannot use config.yaml: line 3\n");
}

#[test]
fn the_first_signal_drains() {
    for kind in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut child = start("drains", &[]);
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let up = wait_for(&mut stderr, "up");
        assert!(!up.contains('\u{1b}'), "no colours where there is no terminal: {up:?}");
        signal(&child, kind);
        wait_for(&mut stderr, "work in hand has 5 s");
        wait_for(&mut stderr, "nothing was cut off");
        assert_eq!(child.wait().expect("wait").code(), Some(0));
    }
}

/// Seen under PM2: it was killed, the daemon's stderr with it, and the daemon no longer obeyed signals,
/// because to log the first one was a panic.
#[test]
fn a_signal_is_obeyed_when_nobody_reads_the_log_any_more() {
    let mut child = start("drains", &[]);
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
    wait_for(&mut stderr, "up");
    drop(stderr);
    signal(&child, rustix::process::Signal::TERM);
    let pid = rustix::process::Pid::from_child(&child);
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if end.recv_timeout(Duration::from_secs(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
        }
    });
    assert_eq!(child.wait().expect("wait").code(), Some(0));
    drop(ended);
    guard.join().expect("guard");
}

#[test]
fn the_second_signal_leaves_at_once() {
    let mut child = start("stuck", &[]);
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
    wait_for(&mut stderr, "up");
    signal(&child, rustix::process::Signal::INT);
    wait_for(&mut stderr, "stopping");
    signal(&child, rustix::process::Signal::INT);
    wait_for(&mut stderr, "again: leaving at once");
    assert_eq!(child.wait().expect("wait").code(), Some(1));
}

#[test]
fn the_supervisor_is_told_of_start_life_and_end() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let next = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a notification");
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    };
    let path = path.display().to_string();
    let mut child = start("drains", &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "20000")]);
    let mut seen = vec![next(), next(), next()];
    seen.sort();
    assert_eq!(seen, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    signal(&child, rustix::process::Signal::TERM);
    let mut last = next();
    while last == "WATCHDOG=1" {
        last = next();
    }
    assert_eq!(last, "STOPPING=1");
    let mut rest = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut rest).expect("stderr");
    assert_eq!(child.wait().expect("wait").code(), Some(0), "{rest}");
}
