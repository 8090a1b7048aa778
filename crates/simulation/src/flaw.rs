//! Mistakes in the programs, each switched on by its name where the code asks [`fault::flaw`].

/// A mistake. Each breaks a rule that the programs follow elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flaw {
    /// The remote takes any push, whatever was expected of it.
    NoFence,
    /// A claim that lost is laid on top of what won.
    ClaimsRebased,
    /// Work begins although the remote said nothing of the claim.
    AnyVerdict,
    /// What was not accepted is not put back.
    NotPutBack,
    /// A claim is taken back without waiting for the lease.
    NoLease,
    /// What was fetched counts as taken in.
    BelievesAFetch,
    /// What loses is not kept.
    ForgetsTheLoser,
    /// A task that moves leaves a copy.
    LeavesACopy,
    /// A call is made before the journal knows.
    NotJournaled,
    /// A call whose outcome is unknown is made again.
    CallsAgain,
}

impl Flaw {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoFence,
        Self::ClaimsRebased,
        Self::AnyVerdict,
        Self::NotPutBack,
        Self::NoLease,
        Self::BelievesAFetch,
        Self::ForgetsTheLoser,
        Self::LeavesACopy,
        Self::NotJournaled,
        Self::CallsAgain,
    ];

    /// Its name in the code.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFence => "remote.no_fence",
            Self::ClaimsRebased => "sync.claims_rebased",
            Self::AnyVerdict => "claim.any_verdict",
            Self::NotPutBack => "claim.not_put_back",
            Self::NoLease => "claim.no_lease",
            Self::BelievesAFetch => "sync.believes_a_fetch",
            Self::ForgetsTheLoser => "sync.forgets_the_loser",
            Self::LeavesACopy => "sync.leaves_a_copy",
            Self::NotJournaled => "execute.not_journaled",
            Self::CallsAgain => "execute.calls_again",
        }
    }
}
