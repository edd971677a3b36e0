//! `testnet::fuzz::wire` under libFuzzer.
#![no_main]
testnet_fuzz::program!("wire");
