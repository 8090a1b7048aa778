//! Man pages and shell completions, from the same definition that parses the arguments.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

/// `PROGRAM --generate DIR`, which releases are made with: writes man pages to `DIR/man` and
/// completions to `DIR/completions`. `None` when that is not what was asked for.
pub fn generated(command: Command) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let (flag, folder, rest) = (arguments.next(), arguments.next(), arguments.next());
    match (flag.as_deref() == Some(OsStr::new("--generate")), folder, rest) {
        (true, Some(folder), None) => Some(match generate(command, Path::new(&folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("cannot write to {}: {error}", Path::new(&folder).display());
                ExitCode::FAILURE
            }
        }),
        _ => None,
    }
}

fn generate(command: Command, folder: &Path) -> io::Result<()> {
    // A page on how to ask for help helps nobody.
    let mut command = command.disable_help_subcommand(true);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, &completions)?;
    }
    clap_mangen::generate_to(command, &man)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_and_every_shell_its_completions() {
        let folder = tempfile::tempdir().expect("folder");
        let command =
            Command::new("some-agent").version("1").subcommand(Command::new("init").about("Sets up"));
        generate(command, folder.path()).expect("written");
        for path in [
            "man/some-agent.1",
            "man/some-agent-init.1",
            "completions/some-agent.bash",
            "completions/_some-agent",
            "completions/some-agent.fish",
        ] {
            let text = std::fs::read_to_string(folder.path().join(path)).expect(path);
            assert!(text.contains("init"), "{path}");
        }
    }
}
