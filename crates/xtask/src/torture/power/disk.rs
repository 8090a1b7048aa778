//! A disk whose power can be cut: a file system in an image, mounted from a loop device.
//!
//! The cut is the ioctl FS_IOC_SHUTDOWN with the flag NOLOGFLUSH: what is not on the disk at that
//! moment never gets there. Needs root, loop devices, the file system's own tools, and python3 for
//! the ioctl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::bounded;
use super::super::{Outcome, processes};

const LIMIT: Duration = Duration::from_secs(60);
/// xfs wants 300 MB and more; the image is sparse.
const MEGABYTES: u64 = 400;
const CUT: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    pub(super) const ALL: [Kind; 2] = [Kind::Ext4, Kind::Xfs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
        }
    }
}

pub(super) struct Disk {
    kind: Kind,
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
    copies: u32,
}

impl Disk {
    /// Makes the image and mounts it; the error is why that is not possible here.
    pub(super) fn new(kind: Kind, folder: &Path) -> Outcome<Self> {
        let (image, mount) = (folder.join(format!("{}.image", kind.name())), folder.join(kind.name()));
        std::fs::create_dir_all(&mount).map_err(|e| format!("failed to make {}: {e}", mount.display()))?;
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(MEGABYTES << 20))
            .map_err(|e| format!("failed to make {}: {e}", image.display()))?;
        let path = image.display().to_string();
        match kind {
            Kind::Ext4 => call("mkfs.ext4", &["-q", "-m", "0", &path])?,
            Kind::Xfs => call("mkfs.xfs", &["-q", &path])?,
        }
        let mut disk = Self { kind, image, mount, mounted: false, copies: 0 };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.mount
    }

    fn mount(&mut self) -> Outcome<()> {
        let options = match self.kind {
            Kind::Ext4 => "loop",
            // A copy of an image has its file system's id too.
            Kind::Xfs => "loop,nouuid",
        };
        let (image, mount) = (self.image.display().to_string(), self.mount.display().to_string());
        call("mount", &["-o", options, &image, &mount])?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Outcome<()> {
        call("umount", &[&self.mount.display().to_string()])?;
        self.mounted = false;
        Ok(())
    }

    /// Brings everything to the disk: what was before a case is not what the case is about.
    pub(super) fn flush(&self) -> Outcome<()> {
        std::fs::File::open(&self.mount)
            .map_err(|e| e.to_string())
            .and_then(|folder| rustix::fs::syncfs(&folder).map_err(|e| e.to_string()))
            .map_err(|e| format!("failed to sync {}: {e}", self.mount.display()))
    }

    /// Cuts the power; what runs below `pid`, and `pid` itself, dies with the machine.
    pub(super) fn cut(&self, pid: u32) -> Outcome<()> {
        call("python3", &["-c", CUT, &self.mount.display().to_string()])?;
        processes::kill_all(pid);
        Ok(())
    }

    /// Switches the machine on again: the file system repairs itself, as at a boot.
    pub(super) fn boot(&mut self) -> Outcome<()> {
        self.unmount()?;
        self.mount()?;
        if self.works() {
            return Ok(());
        }
        // Somebody else's mount namespace, made meanwhile, holds on to the file system that was
        // shut down; what is on the disk is in the image, and in a copy of it.
        self.unmount()?;
        self.copies += 1;
        let copy = self.image.with_extension(format!("{}.image", self.copies));
        call("cp", &["--sparse=always", &self.image.display().to_string(), &copy.display().to_string()])?;
        std::fs::remove_file(&self.image)
            .map_err(|e| format!("failed to remove {}: {e}", self.image.display()))?;
        self.image = copy;
        self.mount()?;
        if self.works() { Ok(()) } else { Err(format!("{} cannot be written to", self.mount.display())) }
    }

    fn works(&self) -> bool {
        let probe = self.mount.join("probe");
        std::fs::write(&probe, "probe").and_then(|()| std::fs::remove_file(&probe)).is_ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted
            && let Err(said) = self.unmount()
        {
            eprintln!("  {said}");
        }
    }
}

/// Runs a program of the system to its end; a busy mount is tried again, since the dead let go of
/// their files one after the other.
fn call(program: &str, arguments: &[&str]) -> Outcome<()> {
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut tries = 0;
    loop {
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", &path);
        let ended = bounded::run(command, LIMIT)?;
        if ended.succeeded() {
            return Ok(());
        }
        tries += 1;
        if program != "umount" || tries == 100 {
            return Err(format!("{program}: {}", ended.said()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
