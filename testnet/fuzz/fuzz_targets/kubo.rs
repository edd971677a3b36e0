//! `testnet::fuzz::kubo` under libFuzzer.
#![no_main]
testnet_fuzz::program!("kubo");
