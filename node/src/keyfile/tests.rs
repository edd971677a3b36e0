//! Key files in both forms: who may read them, what damage says, and what a passphrase does.

use super::*;

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("written");
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("changed");
}

fn refused(path: &Path, wanted: &str) {
    let failure = load(path).expect_err("refused");
    assert_eq!(failure.code, KEY_FILE);
    assert!(failure.message.contains(wanted), "{}", failure.message);
    assert!(!failure.help.is_empty());
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_key_comes_back_and_the_file_is_ours_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    let keypair = generate();
    create(&path, &keypair).expect("created");
    assert_eq!(mode_of(&path), MODE);
    assert_eq!(load(&path).expect("loaded").public(), keypair.public());
    let again = create(&path, &generate()).expect_err("it exists");
    assert_eq!(again.code, KEY_FILE);
    assert_eq!(load(&path).expect("untouched").public(), keypair.public());
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    create(&path, &generate()).expect("created");
    for mode in [0o640, 0o604, 0o660, 0o601] {
        let text = std::fs::read_to_string(&path).expect("ours");
        write(&path, &text, mode);
        refused(&path, "others can read it");
    }
}

#[test]
fn damage_is_told_and_never_quotes_the_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    refused(&path, "No such file");
    let keypair = Keypair::from_seed([7; 32]);
    create(&path, &keypair).expect("created");
    let text = std::fs::read_to_string(&path).expect("ours");
    let seed = hex::encode([7; 32]);
    let other = address_of(&Keypair::from_seed([8; 32])).to_string();
    let cases = [
        (text.replace("quorate.key/1", "quorate.key/3"), "another schema"),
        (text.replace("quorate.key/1", "quorate.key/2"), "not a key file"),
        (text.replace(&seed, &seed[1..]), "not 64 hexadecimal digits"),
        (text.replace(&address_of(&keypair).to_string(), &other), "not that of the address"),
        (text.replace("\"seed\":", "\"seeds\":"), "not a key file"),
        (seed.clone(), "not a key file"),
        (String::new(), "not a key file"),
    ];
    for (damaged, wanted) in cases {
        write(&path, &damaged, MODE);
        refused(&path, wanted);
        let message = load(&path).expect_err("refused").message;
        assert!(!message.contains(&seed), "{message}");
    }
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_alone_and_can_be_sealed_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    let unlock = |text: &str| {
        let file = folder.path().join(format!("passphrase of {text}"));
        write(&file, text, MODE);
        Unlock { file: Some(file), may_ask: false }
    };
    let passphrase = |text: &str| Passphrase::new(text.as_bytes()).expect("a good one");
    let keypair = Keypair::from_seed([7; 32]);
    create_sealed(&path, &keypair, &passphrase("one")).expect("created");
    assert_eq!(mode_of(&path), MODE);
    let text = std::fs::read_to_string(&path).expect("ours");
    assert!(!text.contains(&hex::encode([7; 32])), "the seed is not in it");
    refused(&path, "under a passphrase");
    assert_eq!(address_in(&path).expect("readable"), address_of(&keypair));
    let wrong = open(&path, &unlock("two")).expect_err("the wrong one");
    assert_eq!(wrong.code.exit, 3);
    assert!(wrong.message.contains("the passphrase is wrong"), "{wrong}");
    assert_eq!(open(&path, &unlock("one")).expect("opened").public(), keypair.public());

    change(&path, &unlock("two"), None).expect_err("who does not know it can't take it away");
    change(&path, &unlock("one"), Some(&passphrase("two"))).expect("changed");
    open(&path, &unlock("one")).expect_err("the old one opens nothing");
    open(&path, &unlock("two")).expect("the new one does");
    change(&path, &unlock("two"), None).expect("taken away");
    assert_eq!(load(&path).expect("plain").seed(), keypair.seed());
    assert_eq!(mode_of(&path), MODE);
    change(&path, &Unlock::default(), Some(&passphrase("one"))).expect("given again");
    assert!(is_sealed(&path).expect("readable"));
    let left = std::fs::read_dir(folder.path()).expect("readable").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 3, "nothing unfinished is left: {left:?}");
}
