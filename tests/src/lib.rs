//! Tests of the assembled program; see the files beside this folder.
