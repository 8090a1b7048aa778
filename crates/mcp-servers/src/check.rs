//! `--check`: a server tries its accounts out and says line by line what it found, for `doctor`
//! and `init`. Each line is `ok` or `WRONG`, a tab, what was tried, a tab, what came of it.

use std::fmt::Write as _;

use task::Server;

use crate::email;
use crate::outcome::Failure;
use crate::setup::Setup;

/// What came of trying one thing out.
pub(crate) struct Checked {
    what: String,
    result: Result<String, String>,
}

impl Checked {
    pub(crate) fn of(what: String, result: Result<String, Failure>) -> Self {
        // "Nothing was sent" goes without saying where nothing was to be.
        let result = result.map_err(|failure| failure.message.replace("; nothing was sent", ""));
        Self { what, result }
    }
}

/// Tries out what a server works with; the lines, and how many of them are wrong.
pub(crate) async fn check(server: Server, setup: &Setup) -> (String, usize) {
    let checked = match (server, setup.mock) {
        (_, true) => vec![Checked { what: "sample data".into(), result: Ok("nothing to reach".into()) }],
        (Server::Email, false) => email::check(setup).await,
        (Server::Odoo | Server::Social | Server::Whatsapp | Server::Payment, false) => Vec::new(),
    };
    let mut text = String::new();
    for one in &checked {
        let (word, said) = match &one.result {
            Ok(said) => ("ok", said),
            Err(why) => ("WRONG", why),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word}\t{}\t{}", one.what, said.replace(['\n', '\t'], " "));
    }
    (text, checked.iter().filter(|one| one.result.is_err()).count())
}
