//! `testnet::fuzz::journal` under libFuzzer.
#![no_main]
testnet_fuzz::program!("journal");
