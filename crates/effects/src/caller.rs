//! Finding and ending the process at the other end of a connection. Linux only.

use std::net::SocketAddr;

use rustix::process::{Pid, Signal, kill_process};

/// Which process is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that called: a tool server.
    Caller,
    /// The one that started it: the agent.
    Parent,
    /// Both, the agent first.
    Both,
}

/// Ends the process that `peer` belongs to, as by `kill -9`.
pub(crate) fn kill(which: Which, peer: SocketAddr) -> Result<(), String> {
    let caller = process_of(peer).ok_or_else(|| format!("no process has the address {peer}"))?;
    let parent = parent_of(caller).ok_or_else(|| format!("process {caller} has no parent"))?;
    let (first, second) = match which {
        Which::Caller => (Some(caller), None),
        Which::Parent => (Some(parent), None),
        Which::Both => (Some(parent), Some(caller)),
    };
    for pid in [first, second].into_iter().flatten() {
        let pid = Pid::from_raw(pid).ok_or("no process id")?;
        kill_process(pid, Signal::KILL)
            .map_err(|error| format!("process {pid:?} cannot be ended: {error}"))?;
    }
    Ok(())
}

/// The process whose socket has this local address, as `/proc` shows it.
fn process_of(address: SocketAddr) -> Option<i32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let port = format!(":{:04X}", address.port());
    // Columns: number, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
    let inode = table.lines().skip(1).find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let established = columns.get(3) == Some(&"01");
        (established && columns.get(1)?.ends_with(&port)).then(|| columns.get(9).map(|i| (*i).to_owned()))?
    })?;
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let has =
            files.any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == &*wanted));
        has.then_some(pid)
    })
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have spaces; after it come the state and the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
