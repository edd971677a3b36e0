//! `testnet::fuzz::receipt` under libFuzzer.
#![no_main]
testnet_fuzz::program!("receipt");
