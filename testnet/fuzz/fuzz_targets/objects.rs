//! `testnet::fuzz::objects` under libFuzzer.
#![no_main]
testnet_fuzz::program!("objects");
