//! Tests of receipt files.
