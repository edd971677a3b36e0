//! `testnet::fuzz::proofs` under libFuzzer.
#![no_main]
testnet_fuzz::program!("proofs");
