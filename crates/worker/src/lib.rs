//! The cycle that both agents share: intake, watch, claim, draft.
