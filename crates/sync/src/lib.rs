//! The vault's Git: snapshot, compare-and-swap push, fetch, integration, conflicts, heartbeat refs.
