//! `local-agent init`

use approval::{KeyFiles, NewKey};
use daemon::{Failure, OrFailure as _, Setup};
use secrecy::ExposeSecret as _;

use super::{open_vault, print, read_passphrase};
use crate::cli::Init;

pub(crate) fn run(setup: &Setup, arguments: &Init) -> Result<(), Failure> {
    let files = KeyFiles::in_data(setup.data.root());
    // Asked for before anything is made, and only when there is no key yet.
    let new_key = if files.has_key() { None } else { Some(new_key(arguments)?) };
    let made =
        approval::init(&files, &setup.config.owner.name, || Ok(new_key.unwrap_or(NewKey::Unprotected)))
            .or_failed("cannot set up this machine")?;
    let vault = open_vault(setup)?;
    let handbook = worker::handbook(setup, &vault);
    handbook.begin().or_failed("cannot write the handbook")?;

    let mut text = String::new();
    if made.created.is_empty() {
        text.push_str("Everything was there already; nothing was changed.\n");
    }
    for path in &made.created {
        text.push_str(&format!("made {}\n", path.display()));
    }
    text.push_str(&format!(
        "vault        {} ({})\nyour key     {}\nmode         {}\n",
        setup.vault_path.display(),
        made.vault_id,
        made.fingerprint,
        if setup.modes.dry_run { "dry run: nothing is sent until you set DRY_RUN=false" } else { "live" },
    ));
    if !made.listed {
        text.push_str(&format!(
            "Your key is not on the list of approvers {}; add it there before you approve.\n",
            files.approvers.display()
        ));
    }
    if let Some(said) = worker::about_handbook(&handbook) {
        text.push_str(&format!("{said}\n"));
    }
    text.push_str(
        "Keep a copy of the key and its passphrase somewhere safe: they are never in the vault.\n\
         Next: local-agent doctor, then local-agent.\n",
    );
    print(&text)
}

fn new_key(arguments: &Init) -> Result<NewKey, Failure> {
    if arguments.no_passphrase {
        return Ok(NewKey::Unprotected);
    }
    let file = arguments.passphrase.passphrase_file.as_deref();
    let first = read_passphrase(file, "New passphrase for your signing key: ")?;
    if file.is_none() {
        let second = read_passphrase(None, "Once more: ")?;
        if first.expose_secret() != second.expose_secret() {
            return Err(Failure::failed("the two passphrases differ").hint("run local-agent init again"));
        }
    }
    Ok(NewKey::Passphrase(first))
}
