//! One owner's machine and one service.

use std::os::unix::process::ExitStatusExt as _;

use effects::{Book, Fault, Owner, Service, Which};
use serde_json::Value;

/// A value that only these tests use as a key.
pub(crate) const KEY: &str = "key-of-these-tests";

/// An owner's machine whose programs call `service`.
pub(crate) struct World<B> {
    pub(crate) owner: Owner,
    pub(crate) service: Service<B>,
    _folder: tempfile::TempDir,
}

impl<B: Book> World<B> {
    /// `config` gives lines of config.yaml, given the service's address and where the key is.
    pub(crate) fn new(book: B, config: impl FnOnce(&str, &str) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let service = Service::start(book).expect("the service");
        let root = folder.path().join("owner");
        let secret = format!("{{ file: {:?} }}", Owner::secret(&root));
        let config = config(&service.url(), &secret);
        let owner = Owner::new(&root, &tests::programs(), &config, KEY).expect("the owner's machine");
        Self { owner, service, _folder: folder }
    }

    /// Proposes and approves a call, and has it carried out while `fault` happens; then runs the
    /// agent again, as a supervisor would. Gives where the task is and what its file says.
    pub(crate) fn carry_out(
        &self,
        id: &str,
        kind: &str,
        action: &Value,
        fault: Option<Fault>,
    ) -> (String, String) {
        self.owner.propose(id, kind, action).expect("a draft");
        self.owner.approve(id).expect("approved");
        self.service.will(fault);
        let killed = matches!(fault, Some(Fault::Kill(Which::Parent | Which::Both)));
        let status = self.owner.run(&["--once"], &[]).expect("a round").status;
        assert_eq!((status.signal() == Some(9), status.success()), (killed, !killed), "{fault:?}: {status}");
        assert!(self.service.is_through(), "{fault:?} did not happen");
        self.owner.run(&["--once"], &[]).expect("a round");
        let (place, text) = self.owner.place(id).expect("one place");
        assert!(!text.contains(KEY), "{id} says the key: {text}");
        (place, text)
    }
}

/// What an `id` must come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Done,
    Failed,
    Unknown,
    /// Before the owner again.
    Returned,
}

/// Holds a task's file against the end that is expected of it.
pub(crate) fn check_end(what: &str, (place, text): &(String, String), end: End) {
    let in_errors = place.starts_with("Errors/");
    let found = match () {
        () if place.starts_with("Done/") => End::Done,
        () if place.starts_with("Pending_Approval/") => End::Returned,
        () if in_errors && text.contains("local-agent resolve") => End::Unknown,
        () if in_errors => End::Failed,
        () => panic!("{what}: it is in {place}:\n{text}"),
    };
    assert_eq!(found, end, "{what}: {place}:\n{text}");
}
