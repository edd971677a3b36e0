//! `testnet::fuzz::ipfs` under libFuzzer.
#![no_main]
testnet_fuzz::program!("ipfs");
