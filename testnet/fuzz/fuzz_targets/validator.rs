//! `testnet::fuzz::validator` under libFuzzer.
#![no_main]
testnet_fuzz::program!("validator");
