//! `testnet::fuzz::stored` under libFuzzer.
#![no_main]
testnet_fuzz::program!("stored");
