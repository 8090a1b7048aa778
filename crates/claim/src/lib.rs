//! Claims: take, publish, renew, release, reclaim.
