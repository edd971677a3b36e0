//! Tests of the API over real TCP.
