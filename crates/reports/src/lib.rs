//! The dashboard and reports.
