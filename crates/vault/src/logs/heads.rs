//! How far each log was when this machine last looked, kept outside of the vault: a log that was
//! cut at its end, or written anew with every hash fitting, still lacks the record named here.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::NaiveDate;
use task::{AgentId, ChainHead};

/// The last record that was seen of a log, and where it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptHead {
    pub(crate) chain: ChainHead,
    /// The file's day.
    pub(crate) day: NaiveDate,
    /// Which line it was, from 1, and its first byte and the one after its line end.
    pub(crate) line: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl KeptHead {
    /// Always of one length, so that it is replaced where it stands in one write.
    fn text(&self) -> String {
        let ChainHead { seq, hash } = &self.chain;
        format!("{seq:020} {hash} {} {:020} {:020} {:020}\n", self.day, self.line, self.start, self.end)
    }
}

impl FromStr for KeptHead {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [seq, hash, day, line, start, end] = fields[..] else { return Err(()) };
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        if hash.len() != 64 {
            return Err(());
        }
        Ok(Self {
            chain: ChainHead { seq: number(seq)?, hash: hash.to_owned() },
            day: day.parse().map_err(|_| ())?,
            line: number(line)?,
            start: number(start)?,
            end: number(end)?,
        })
    }
}

/// The folder with a file per agent.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    folder: PathBuf,
}

impl Heads {
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn path(&self, agent: &AgentId) -> PathBuf {
        self.folder.join(agent.as_str())
    }

    /// The agents of which something is kept.
    pub(crate) fn agents(&self) -> Vec<AgentId> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| AgentId::new(entry.file_name().to_str()?).ok()).collect()
    }

    /// What is kept of an agent's log.
    pub(crate) fn load(&self, agent: &AgentId) -> io::Result<Option<KeptHead>> {
        let mut text = String::new();
        match std::fs::File::open(self.path(agent)) {
            Ok(file) => file.take(1024).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        text.parse().map(Some).map_err(|()| io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
    }

    /// Keeps `head`. Not made durable: what a power loss takes back is an older head, which is as
    /// true as the newer one.
    pub(crate) fn store(&self, agent: &AgentId, head: &KeptHead) -> io::Result<()> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = std::fs::File::options();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.path(agent))?.write_all(head.text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_kept_and_a_damaged_one_is_said() {
        let temp = tempfile::tempdir().expect("a folder");
        let (heads, agent) = (Heads::at(&temp.path().join("heads")), "cloud-001".parse().expect("agent"));
        assert_eq!(heads.load(&agent).expect("load"), None);
        let day = "2026-02-23".parse().expect("day");
        for seq in [9, 100_000_000] {
            let chain = ChainHead { seq, hash: "ab".repeat(32) };
            let head = KeptHead { chain, day, line: 7, start: 5, end: 900 };
            heads.store(&agent, &head).expect("store");
            assert_eq!(heads.load(&agent).expect("load"), Some(head));
        }
        assert_eq!(heads.agents(), std::slice::from_ref(&agent));
        std::fs::write(heads.path(&agent), "0001 ab").expect("write");
        assert!(heads.load(&agent).is_err());
    }
}
