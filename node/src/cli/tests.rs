//! The program as a whole, without a node.
