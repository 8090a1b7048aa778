//! The names of temporaries, which say whose they are, and the sweep that removes those of
//! processes that are dead.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use task::Digest;

use super::{Dir, FileError};

const TEMPORARY: &str = ".tmp-";
const SWAP: &str = ".swap-";

/// Tells this process from an earlier one that had the same pid, as is usual in containers.
pub(super) fn process_token() -> String {
    static TOKEN: OnceLock<u32> = OnceLock::new();
    // Without randomness two generations of one pid may look alike; that leaves a temporary lying
    // about and endangers nothing.
    let token = TOKEN.get_or_init(|| getrandom::u32().unwrap_or_default());
    format!("{:08x}", token.wrapping_add(fault::incarnation()))
}

fn owner() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-{}", std::process::id(), process_token(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn temporary_name() -> String {
    format!("{TEMPORARY}{}", owner())
}

pub(crate) fn swap_name(old: Digest, new: Digest, name: &str) -> String {
    let short = |digest: Digest| digest.hex()[..16].to_owned();
    let name: String = name.chars().take(110).collect();
    format!("{SWAP}{}-{}-{}-{name}", owner(), short(old), short(new))
}

/// A person's words that a crash left under a temporary name.
#[derive(Debug)]
pub(crate) struct Stray {
    /// The temporary's own name.
    pub(crate) temporary: String,
    /// The file that was being replaced.
    pub(crate) name: String,
    /// The bytes that were swapped out.
    pub(crate) bytes: Vec<u8>,
}

/// Removes the temporaries that dead processes left in a folder. Bytes that were swapped out
/// and are neither the version that was replaced nor the one that replaced it are returned, to
/// be kept elsewhere before [`Dir::remove`].
pub(crate) fn sweep(dir: &Dir) -> Result<Vec<Stray>, FileError> {
    let mut strays = Vec::new();
    for name in dir.names()? {
        let Some(name) = name.to_str() else { continue };
        let rest = name.strip_prefix(TEMPORARY).or_else(|| name.strip_prefix(SWAP));
        let Some((pid, rest)) = rest.and_then(|r| r.split_once('-')) else { continue };
        let mut parts = rest.splitn(5, '-');
        let token = parts.next().unwrap_or_default();
        if is_alive(pid, token) {
            continue;
        }
        if name.starts_with(SWAP) {
            let (old, new, target) =
                (parts.nth(1).unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
            let bytes = dir.read(name, u64::MAX)?.bytes;
            let hex = Digest::of(&bytes).hex();
            // Empty: the crash came before the first byte was written.
            if !bytes.is_empty() && hex.get(..16) != Some(old) && hex.get(..16) != Some(new) {
                let target = target.unwrap_or("unnamed").to_owned();
                strays.push(Stray { temporary: name.to_owned(), name: target, bytes });
                continue;
            }
        }
        dir.remove(name)?;
    }
    Ok(strays)
}

fn is_alive(pid: &str, token: &str) -> bool {
    let Some(number) = pid.parse().ok().filter(|n: &i32| *n > 0) else { return false };
    if u32::try_from(number) == Ok(std::process::id()) {
        return token == process_token();
    }
    let Some(pid) = rustix::process::Pid::from_raw(number) else { return false };
    // EPERM: it lives, as somebody else's.
    !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH))
}
