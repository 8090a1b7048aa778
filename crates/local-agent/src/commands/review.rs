//! `local-agent review`: one draft after the other.

use std::io::{self, BufRead as _, Write as _};

use approval::{Desk, DeskError, Retyped, SignError, Signer};
use daemon::{Failure, OrFailure as _, Setup};
use task::{Digest, Server, TaskId};
use vault::Folder;

use super::decide::approved;
use super::{desk, modify, print, signer};
use crate::cli::{Passphrase, Review};

/// How often a mistyped passphrase may be typed again.
const PASSPHRASE_TRIES: u32 = 3;

/// What the owner answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Approve,
    Reject,
    Modify,
    Skip,
    Quit,
}

/// What became of one task.
enum Next {
    /// On to the next.
    Done,
    /// It changed: show it again.
    Again,
    /// Leave the rest for another time.
    Quit,
}

pub(crate) fn run(setup: &Setup, arguments: &Review) -> Result<(), Failure> {
    let desk = desk(setup)?;
    let listing = desk.vault.list(&Folder::PendingApproval).or_failed("cannot list what waits for you")?;
    let ids: Vec<TaskId> = listing.tasks.into_iter().map(|entry| entry.location.id).collect();
    if ids.is_empty() {
        return print("Nothing waits for you.\n");
    }
    let mut desk = Prompt { setup, desk: &desk, passphrase: &arguments.passphrase, signer: None };
    let total = ids.len();
    'tasks: for (at, id) in ids.into_iter().enumerate() {
        loop {
            print(&format!("\n════ {} of {total} ════\n", at + 1))?;
            match desk.one(&id) {
                Ok(Next::Done) => break,
                Ok(Next::Again) => {}
                Ok(Next::Quit) => break 'tasks,
                // One task that cannot be decided does not keep the others from it.
                Err(failure) => {
                    print(&format!("{failure}\n"))?;
                    break;
                }
            }
        }
    }
    Ok(())
}

struct Prompt<'a> {
    setup: &'a Setup,
    desk: &'a Desk,
    passphrase: &'a Passphrase,
    /// Made at the first approval, so that a look around asks for no passphrase.
    signer: Option<Signer>,
}

impl Prompt<'_> {
    fn one(&mut self, id: &TaskId) -> Result<Next, Failure> {
        let file = match self.desk.open(id) {
            Ok(file) => file,
            Err(DeskError::Elsewhere { .. } | DeskError::NotFound(_)) => {
                print("it was decided or moved meanwhile\n")?;
                return Ok(Next::Done);
            }
            Err(error) => return Err(Failure::failed(format!("cannot show {id}")).because(error)),
        };
        let review = self.desk.review(&file.task).or_failed(format!("cannot show {id}"))?;
        print(&review.screen)?;
        if review.edited.is_some() {
            return self.edited(id);
        }
        let question = if review.digest.is_some() {
            "[A]pprove [R]eject [M]odify [S]kip [Q]uit: "
        } else {
            "Nothing is proposed yet. [M]odify (write the action) [R]eject (close it) [S]kip [Q]uit: "
        };
        match (ask_answer(question)?, &review.digest) {
            (Answer::Quit, _) => Ok(Next::Quit),
            (Answer::Skip, _) => Ok(Next::Done),
            (Answer::Reject, _) => {
                let reason = ask("Why (for the record): ")?.unwrap_or_default();
                let reason = if reason.is_empty() { "rejected at review" } else { &reason };
                self.desk.reject(id, reason).or_failed(format!("cannot reject {id}"))?;
                print(&format!("rejected {id}\n"))?;
                Ok(Next::Done)
            }
            (Answer::Modify, seen) => {
                match modify::in_editor(self.setup, &file)? {
                    Some(action) => modify::change(self.desk, id, seen.as_ref(), action)?,
                    None => print("nothing was changed\n")?,
                }
                Ok(Next::Again)
            }
            (Answer::Approve, None) => {
                print("There is nothing to approve: modify it to say what is to be done, or reject it.\n")?;
                Ok(Next::Again)
            }
            (Answer::Approve, Some(seen)) => {
                print(&review.confirm)?;
                let pays =
                    file.task.front.action.as_ref().is_some_and(|a| a.call.server() == Server::Payment);
                let retyped = if pays { Some(retype()?) } else { None };
                self.sign(id, seen, retyped.as_ref())?;
                Ok(Next::Done)
            }
        }
    }

    /// Signs and sends on its way what was seen. A passphrase that was mistyped is asked for again;
    /// an amount or a payee is not, because it is the proof that they were read.
    fn sign(&mut self, id: &TaskId, seen: &Digest, retyped: Option<&Retyped>) -> Result<(), Failure> {
        // Before the passphrase is asked for.
        match self.desk.check(id, seen, retyped) {
            Ok(()) => {}
            Err(error @ (DeskError::Mistyped { .. } | DeskError::Held { .. })) => {
                return print(&format!("{error}\n"));
            }
            Err(error) => return Err(Failure::failed(format!("cannot approve {id}")).because(error)),
        }
        let mut tries = if self.passphrase.passphrase_file.is_some() { 1 } else { PASSPHRASE_TRIES };
        loop {
            let signer = match self.signer.take() {
                Some(signer) => signer,
                None => signer(self.setup, self.passphrase)?,
            };
            tries -= 1;
            let kept = match retyped {
                Some(retyped) => self.desk.approve_payment(id, seen, retyped, &signer),
                None => self.desk.approve(id, seen, &signer),
            };
            match kept {
                Ok(kept) => {
                    self.signer = Some(signer);
                    return print(&approved(&kept));
                }
                Err(DeskError::Sign(error @ SignError::WrongPassphrase { .. })) if tries > 0 => {
                    print(&format!("{error}\n"))?;
                }
                Err(error) => return Err(Failure::failed(format!("cannot approve {id}")).because(error)),
            }
        }
    }

    /// The Markdown says other words than the action: first it must be clear which count.
    fn edited(&self, id: &TaskId) -> Result<Next, Failure> {
        let question = "The draft was edited in the file. [T]ake the edit over, [D]rop it, [S]kip, [Q]uit: ";
        match ask(question)?.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("t") => {
                self.desk.take_edit(id).or_failed(format!("cannot take the edit of {id} over"))?;
                Ok(Next::Again)
            }
            Some("d") => {
                self.desk.drop_edit(id).or_failed(format!("cannot drop the edit of {id}"))?;
                Ok(Next::Again)
            }
            None | Some("q") => Ok(Next::Quit),
            Some(_) => Ok(Next::Done),
        }
    }
}

/// Has the owner type what is paid, and to whom, once more.
fn retype() -> Result<Retyped, Failure> {
    print("This pays. Nothing is signed unless you type both again as they stand above.\n")?;
    let amount = ask("Amount: ")?.unwrap_or_default();
    let payee_end = ask("Last four characters of the payee's IBAN: ")?.unwrap_or_default();
    Ok(Retyped { amount, payee_end })
}

/// Asks until the answer is one; the end of the input quits.
fn ask_answer(question: &str) -> Result<Answer, Failure> {
    loop {
        match ask(question)?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("q" | "quit") => return Ok(Answer::Quit),
            Some("a" | "approve") => return Ok(Answer::Approve),
            Some("r" | "reject") => return Ok(Answer::Reject),
            Some("m" | "modify") => return Ok(Answer::Modify),
            Some("s" | "skip") => return Ok(Answer::Skip),
            // An empty line is no answer: nothing happens by leaning on the return key.
            Some(_) => {}
        }
    }
}

/// One line of input; `None` at its end.
fn ask(question: &str) -> Result<Option<String>, Failure> {
    print(question)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).or_failed("cannot read your answer")?;
    if read == 0 {
        print("\n")?;
        return Ok(None);
    }
    if !std::io::IsTerminal::is_terminal(&io::stdin()) {
        // A piped answer is shown, so that the record of the session reads as it went.
        print(&line)?;
    }
    io::stdout().flush().or_failed("cannot print")?;
    Ok(Some(line.trim().to_owned()))
}
