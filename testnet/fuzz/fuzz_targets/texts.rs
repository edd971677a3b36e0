//! `testnet::fuzz::texts` under libFuzzer.
#![no_main]
testnet_fuzz::program!("texts");
