//! Every fuzz target on stable Rust, without a fuzzer: its seeds, the committed corpus, and a short
//! campaign of changed ones (`QUORATE_FUZZ_ROUNDS=N` makes it longer, `QUORATE_FUZZ_SEED=N` another
//! one, `QUORATE_FUZZ_INPUT=HEX` runs one input). `QUORATE_FUZZ_SEEDS=1` writes the seeds into the
//! corpus, for `cargo fuzz`.

use std::path::{Path, PathBuf};
use testnet::fuzz::{self, Target, campaign};

/// Rounds of each target's campaign, unless told otherwise: a second or two each.
const ROUNDS: u64 = 300;
/// A corpus is for finding breaks again, not for keeping all that was ever found.
const CORPUS_BYTES_MAX: u64 = 1 << 20;

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number in the environment"))
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    files
}

fn run(target: &Target) {
    if let Ok(text) = std::env::var("QUORATE_FUZZ_INPUT") {
        return (target.check)(&hex::decode(text).expect("hexadecimal text"));
    }
    let folder = corpora().join(target.name);
    let mut inputs = Vec::new();
    for (name, input) in (target.seeds)() {
        eprintln!("{}: seed {name}", target.name);
        (target.check)(&input);
        if std::env::var("QUORATE_FUZZ_SEEDS").is_ok() {
            std::fs::create_dir_all(&folder).expect("the corpus folder");
            std::fs::write(folder.join(format!("seed-{name}")), &input).expect("a corpus file");
        }
        inputs.push(input);
    }
    for path in files(&folder) {
        let input = std::fs::read(&path).expect("a corpus file");
        eprintln!("{}: {}", target.name, path.display());
        (target.check)(&input);
        inputs.push(input);
    }
    let seed = number("QUORATE_FUZZ_SEED", 1);
    let rounds = number("QUORATE_FUZZ_ROUNDS", ROUNDS);
    let ran = campaign::run(target, &inputs, seed, rounds);
    eprintln!("{}: {} inputs, {ran} rounds of seed {seed}", target.name, inputs.len());
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                run(fuzz::target(stringify!($name)).expect("it is in the list"));
            }
        )*

        #[test]
        fn every_target_is_run_here_and_has_a_program_and_a_small_corpus() {
            let mut here = vec![$(stringify!($name)),*];
            here.sort();
            let mut listed: Vec<&str> = fuzz::TARGETS.iter().map(|target| target.name).collect();
            listed.sort();
            assert_eq!(here, listed);
            let mut bytes = 0;
            for name in here {
                let program = corpora().with_file_name("fuzz_targets").join(format!("{name}.rs"));
                assert!(program.is_file(), "{}", program.display());
                let files = files(&corpora().join(name));
                assert!(!files.is_empty(), "{name} has a corpus");
                bytes += files.iter().map(|f| f.metadata().map_or(0, |f| f.len())).sum::<u64>();
            }
            assert!(bytes < CORPUS_BYTES_MAX, "{bytes} bytes of corpora");
        }
    };
}

targets!(
    wire, objects, receipt, validator, journal, http, texts, proofs, replay, stored, ipfs, kubo
);
