//! A remote that takes a push and whose answer is lost now and then.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Of a hundred answers, so many are lost.
    #[arg(long)]
    lost: u8,
    /// The repository.
    repository: PathBuf,
}

/// Speaks for `git receive-pack`. Its greeting, up to the first flush packet, always comes
/// through; the report on the push does not, if chance wants it so: git on the other side sees
/// the connection end.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let mut command = Command::new("git");
    command.arg("receive-pack").arg(&arguments.repository);
    let fail = |e: std::io::Error| format!("failed to run git receive-pack: {e}");
    if fastrand::u8(0..100) >= arguments.lost {
        let status = command.status().map_err(fail)?;
        return if status.success() { Ok(()) } else { Err(format!("git receive-pack ended with {status}")) };
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(fail)?;
    let mut said = child.stdout.take().ok_or("git receive-pack says nothing")?;
    let mut out = std::io::stdout().lock();
    loop {
        let mut head = [0; 4];
        said.read_exact(&mut head).map_err(fail)?;
        out.write_all(&head).map_err(fail)?;
        let length = std::str::from_utf8(&head).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => break,
            Some(length @ 4..) => {
                let mut line = vec![0; length - 4];
                said.read_exact(&mut line).map_err(fail)?;
                out.write_all(&line).map_err(fail)?;
            }
            _ => return Err("git receive-pack greets in another way than known".into()),
        }
    }
    out.flush().map_err(fail)?;
    // The push is taken in; what is said of it stays here.
    std::io::copy(&mut said, &mut std::io::sink()).map_err(fail)?;
    child.wait().map_err(fail)?;
    Err("the answer was lost".into())
}
