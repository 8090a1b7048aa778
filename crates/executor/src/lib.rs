//! The journal and the dispatch of signed orders, at most once.
