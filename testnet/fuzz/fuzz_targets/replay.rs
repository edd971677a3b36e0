//! `testnet::fuzz::replay` under libFuzzer.
#![no_main]
testnet_fuzz::program!("replay");
