//! Where configuration, `.env` and data of this process are, before any of them is there.

use std::path::{Path, PathBuf};

use crate::{CommonArgs, Failure, OrFailure as _, Surroundings};

/// Where things are or will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    /// `config.yaml`.
    pub config_file: PathBuf,
    /// Whether it is there.
    pub configured: bool,
    /// `.env`, beside it.
    pub env_file: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// The home directory, where there is one.
    pub home: Option<PathBuf>,
}

impl Places {
    /// This process's.
    pub fn find(args: &CommonArgs) -> Result<Self, Failure> {
        let surroundings = Surroundings::of_process().or_failed("cannot find the working directory")?;
        Self::find_in(&surroundings, args)
    }

    /// The configuration by name, once it is there, for [`crate::load`].
    pub fn configured_or_written(&self) -> Option<PathBuf> {
        self.config_file.exists().then(|| self.config_file.clone())
    }

    /// [`Places::find`], in surroundings that are handed in. A configuration that is named need
    /// not be there yet; where none is named and none is there, it will be the platform's.
    pub fn find_in(surroundings: &Surroundings, args: &CommonArgs) -> Result<Self, Failure> {
        let here = |path: &Path| surroundings.directory.join(path);
        let named = args.config.as_deref().or(surroundings.get("AI_EMPLOYEE_CONFIG").map(Path::new));
        let config_file = match named {
            Some(path) => here(path),
            None if here(Path::new("config.yaml")).exists() => {
                if here(Path::new("crates/local-agent/Cargo.toml")).exists() {
                    return Err(Failure::usage(
                        "the config.yaml in this folder is the sample that comes with the sources",
                    )
                    .hint(
                        "run it from another folder, such as your home (cd), or name a file with --config",
                    ));
                }
                here(Path::new("config.yaml"))
            }
            None => surroundings
                .config_directory()
                .ok_or_else(|| {
                    Failure::usage("no place for config.yaml: HOME is not set")
                        .hint("name a file with --config or AI_EMPLOYEE_CONFIG")
                })?
                .join("config.yaml"),
        };
        let env_file = config_file.with_file_name(".env");
        let env = crate::Env::of(surroundings)
            .with_file(env_file.clone())
            .map_err(|e| Failure::usage("cannot use the environment file").because(e))?;
        let data = crate::setup::data_path(surroundings, args, &env)?;
        Ok(Self {
            configured: config_file.exists(),
            config_file,
            env_file,
            data,
            home: surroundings.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(directory: &Path) -> Surroundings {
        Surroundings {
            variables: [("HOME".to_owned(), "/home/jane".to_owned())].into(),
            directory: directory.to_owned(),
        }
    }

    #[test]
    fn a_configuration_is_where_it_is_named_else_here_else_the_platforms() {
        let folder = tempfile::tempdir().expect("folder");
        let here = surroundings(folder.path());
        let find = |args: &CommonArgs| Places::find_in(&here, args).expect("places");
        let platform = find(&CommonArgs::default());
        assert!(platform.config_file.ends_with("ai-employee/config.yaml") && !platform.configured);
        assert!(platform.config_file.starts_with("/home/jane"), "{}", platform.config_file.display());
        let named = CommonArgs { config: Some("x/c.yaml".into()), ..CommonArgs::default() };
        assert_eq!(find(&named).config_file, folder.path().join("x/c.yaml"));
        assert_eq!(find(&named).env_file, folder.path().join("x/.env"));
        std::fs::write(folder.path().join("config.yaml"), "").expect("written");
        let found = find(&CommonArgs::default());
        assert_eq!((found.config_file, found.configured), (folder.path().join("config.yaml"), true));
    }

    #[test]
    fn the_sample_in_the_sources_is_not_taken_for_an_owners_configuration() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("config.yaml"), "").expect("written");
        std::fs::create_dir_all(folder.path().join("crates/local-agent")).expect("folder");
        std::fs::write(folder.path().join("crates/local-agent/Cargo.toml"), "").expect("written");
        let failure =
            Places::find_in(&surroundings(folder.path()), &CommonArgs::default()).expect_err("refused");
        assert_eq!(failure.status(), 2);
        assert!(failure.to_string().contains("run it from another folder"), "{failure}");
    }
}
