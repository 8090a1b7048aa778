//! The environment: a snapshot of the process's own, and a `.env` file behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What a process is started in. Tests make one up; [`Surroundings::of_process`] is the real one.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Environment variables; those that are not UTF-8 are left out.
    pub variables: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
}

impl Surroundings {
    /// This process's.
    pub fn of_process() -> std::io::Result<Self> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { variables, directory: std::env::current_dir()? })
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The platform's folder for a program's data, as `…/ai-employee`.
    pub fn data_directory(&self) -> Option<PathBuf> {
        self.platform_directory("XDG_DATA_HOME", ".local/share")
    }

    /// The platform's folder for a program's configuration, as `…/ai-employee`.
    pub fn config_directory(&self) -> Option<PathBuf> {
        self.platform_directory("XDG_CONFIG_HOME", ".config")
    }

    /// The XDG base directory specification has relative values ignored.
    fn platform_directory(&self, variable: &str, in_home: &str) -> Option<PathBuf> {
        let home = || self.get("HOME").map(Path::new).filter(|home| home.is_absolute());
        let base = if cfg!(target_os = "macos") {
            home()?.join("Library/Application Support")
        } else {
            match self.get(variable).map(Path::new).filter(|path| path.is_absolute()) {
                Some(path) => path.to_owned(),
                None => home()?.join(in_home),
            }
        };
        Some(base.join("ai-employee"))
    }
}

/// Variables with their values: those of the process first, then those of `.env`. An empty value
/// counts as none. The process's environment itself is never changed.
#[derive(Clone, Default)]
pub struct Env {
    process: BTreeMap<String, String>,
    file: Option<EnvFile>,
}

#[derive(Clone)]
struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, String>,
    /// Permission bits.
    mode: u32,
}

/// Why a `.env` cannot be used. Its lines may be secrets and are not shown.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It is there but cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line that is no `NAME=value`.
    #[error("{} has a line that is no NAME=value{after}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// `, after NAME`, or empty for the first.
        after: String,
    },
}

impl Env {
    /// The process's variables alone.
    pub fn of(surroundings: &Surroundings) -> Self {
        Self { process: surroundings.variables.clone(), file: None }
    }

    /// With the variables of the file at `path` behind them, if there is one.
    pub fn with_file(mut self, path: PathBuf) -> Result<Self, EnvFileError> {
        use std::os::unix::fs::MetadataExt as _;
        let io = |source| EnvFileError::Io { path: path.clone(), source };
        let mut file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(io(error)),
        };
        let mode = file.metadata().map_err(io)?.mode() & 0o777;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let mut variables = BTreeMap::new();
        let mut after = String::new();
        for pair in dotenvy::Iter::new(text) {
            match pair {
                Ok((name, value)) => {
                    after = format!(", after {name}");
                    // The first occurrence counts, as dotenvy's own loader has it.
                    variables.entry(name).or_insert(value);
                }
                Err(dotenvy::Error::Io(source)) => return Err(EnvFileError::Io { path, source }),
                Err(_) => return Err(EnvFileError::Line { path, after }),
            }
        }
        self.file = Some(EnvFile { path, variables, mode });
        Ok(self)
    }

    /// A variable's value, and where it stands; for messages, as `environment variable NAME`.
    pub(crate) fn find(&self, name: &str) -> Option<(&str, String)> {
        let filled = |map: &'_ BTreeMap<String, String>| map.get(name).is_some_and(|value| !value.is_empty());
        if filled(&self.process) {
            return Some((self.process.get(name)?, format!("environment variable {name}")));
        }
        let file = self.file.as_ref().filter(|file| filled(&file.variables))?;
        Some((file.variables.get(name)?, format!("{name} in {}", file.path.display())))
    }

    /// A variable's value, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|(value, _)| value)
    }

    /// Where a variable that is set stands, for messages.
    pub fn place(&self, name: &str) -> Option<String> {
        self.find(name).map(|(_, place)| place)
    }

    /// The names of all variables that are set and not empty, sorted.
    pub fn names(&self) -> Vec<&str> {
        let in_file = self.file.iter().flat_map(|file| file.variables.iter());
        let mut names: Vec<&str> = self
            .process
            .iter()
            .chain(in_file)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The `.env` that is in use and its permission bits, when `name` comes from it.
    pub(crate) fn file_of(&self, name: &str) -> Option<(&Path, u32)> {
        let in_process = self.process.get(name).is_some_and(|value| !value.is_empty());
        let file = self.file.as_ref().filter(|file| !in_process && file.variables.contains_key(name))?;
        Some((&file.path, file.mode))
    }

    /// The `.env` that is in use.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }
}

/// Names only; values may be secrets.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("names", &self.names()).field("file", &self.file()).finish()
    }
}

/// Names only; values may be secrets.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("names", &self.variables.keys().collect::<Vec<_>>())
            .field("directory", &self.directory)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(pairs: &[(&str, &str)]) -> Surroundings {
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Surroundings { variables, directory: "/".into() }
    }

    #[test]
    fn the_process_beats_the_file_and_empty_is_unset() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join(".env");
        std::fs::write(&path, "\u{feff}# comment\nA=file\nB='file two'\nexport C=3\nD=\nA=again\n")
            .expect("write");
        let env = Env::of(&surroundings(&[("A", "process"), ("B", ""), ("D", "")]))
            .with_file(path.clone())
            .expect("env");
        assert_eq!(
            (env.get("A"), env.get("B"), env.get("C")),
            (Some("process"), Some("file two"), Some("3"))
        );
        assert_eq!((env.get("D"), env.get("E")), (None, None));
        assert_eq!(env.place("B"), Some(format!("B in {}", path.display())));
        assert_eq!(env.names(), ["A", "B", "C"]);
    }

    #[test]
    fn a_broken_line_is_reported_without_its_text() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join(".env");
        std::fs::write(&path, "A=1\nhunter2 is my password\n").expect("write");
        let error = Env::default().with_file(path).expect_err("broken").to_string();
        assert!(error.contains(", after A") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn debug_output_has_no_values() {
        let surroundings = surroundings(&[("SMTP_PASSWORD", "hunter2")]);
        let text = format!("{surroundings:?} {:?}", Env::of(&surroundings));
        assert!(text.contains("SMTP_PASSWORD") && !text.contains("hunter2"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn platform_directories_follow_xdg() {
        let check = |pairs, expected: Option<&str>| {
            assert_eq!(surroundings(pairs).data_directory(), expected.map(PathBuf::from));
        };
        check(&[("HOME", "/home/a")], Some("/home/a/.local/share/ai-employee"));
        check(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/x")], Some("/x/ai-employee"));
        check(
            &[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")],
            Some("/home/a/.local/share/ai-employee"),
        );
        check(&[], None);
    }
}
