//! `testnet::fuzz::http` under libFuzzer.
#![no_main]
testnet_fuzz::program!("http");
