//! The command line reads what INTERFACE.md says.
