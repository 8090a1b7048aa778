//! Programs that go on running while a test does something else.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a condition may take to come true on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Looks until the condition holds; a condition that never does fails the test.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A started program. Dropped, it is killed.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts it; what it says goes to files in `folder`, so that it never waits for a reader.
    pub fn start(mut command: Command, folder: &Path) -> Self {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (folder.join(format!("out-{n}")), folder.join(format!("err-{n}")));
        let file = |path: &Path| File::create(path).expect("an output file");
        let child =
            command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err)).spawn().expect("the program");
        Self { child, out, err }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        text(&self.out)
    }

    /// What it logged so far.
    pub fn said(&self) -> String {
        text(&self.err)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// Waits until it has logged this.
    pub fn until_said(&mut self, words: &str) {
        let start = Instant::now();
        while !self.said().contains(words) {
            assert!(!self.has_ended(), "it ended before it said {words:?}: {}", self.said());
            assert!(start.elapsed() < PATIENCE, "it never said {words:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        // It may have ended this very moment.
        let _ = kill_process(pid, signal);
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("its end");
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        eventually("the program's end", || self.has_ended());
        self.child.wait().expect("its end")
    }

    /// Waits for its end, expects success, and returns what it printed.
    pub fn ok(&mut self) -> String {
        let status = self.end();
        assert!(status.success(), "{status}\n{}\n{}", self.printed(), self.said());
        self.printed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("its output");
    String::from_utf8_lossy(&bytes).into_owned()
}
