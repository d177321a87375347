//! `init` and `join`: what they make, what they refuse, and that they leave nothing half-made.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{PASSPHRASE, Said, consign, finish, run};

fn at(command: &[&str], data: &Path, passphrase: Option<&str>) -> Said {
    let mut command = consign(command);
    command.arg("--data").arg(data);
    if let Some(passphrase) = passphrase {
        command.env("CONSIGN_PASSPHRASE", passphrase);
    }
    finish(command)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_a_private_folder() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("deep/inside/a");
    let said = at(&["init", "--json", "--name", "alice"], &data, Some(PASSPHRASE)).ok();
    assert_eq!(said.json()["validator"].as_str().unwrap().len(), 64);
    assert_eq!(files(&data), ["api-token", "config.toml", "lock", "store.redb"]);
    assert_eq!(mode(&data), 0o700);
    for file in files(&data) {
        assert_eq!(mode(&data.join(&file)), 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(data.join("api-token")).unwrap().len(), 64);
    assert!(fs::read_to_string(data.join("config.toml")).unwrap().contains("name = \"alice\""));
}

#[test]
fn init_never_overwrites_a_store() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("a");
    at(&["init"], &data, Some(PASSPHRASE)).ok();
    let before: Vec<_> = files(&data).iter().map(|f| fs::read(data.join(f)).unwrap()).collect();
    at(&["init", "--name", "other"], &data, Some("another passphrase")).fails(1, "never overwritten");
    let after: Vec<_> = files(&data).iter().map(|f| fs::read(data.join(f)).unwrap()).collect();
    assert!(before == after, "a refused init changed the folder");
}

#[test]
fn a_failed_init_leaves_nothing_and_can_be_repeated() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("a");
    at(&["init"], &data, Some("short")).fails(1, "too short");
    assert!(!data.exists());
    at(&["init"], &data, None).fails(2, "CONSIGN_PASSPHRASE");
    assert!(!data.exists());
    at(&["init", "--api", "nowhere"], &data, Some(PASSPHRASE)).fails(1, "the flag --api");
    assert!(!data.exists());
    at(&["init", "--key-file", "/no/such/key"], &data, None).fails(1, "/no/such/key");
    assert!(!data.exists());
    at(&["init"], &data, Some(PASSPHRASE)).ok();
}

/// What was there before stays, whatever happens.
#[test]
fn a_failed_init_takes_nothing_along() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("a");
    at(&["init"], &data, Some(PASSPHRASE)).ok();
    // As after an interruption: everything is there but the store.
    fs::remove_file(data.join("store.redb")).unwrap();
    at(&["init"], &data, Some("short")).fails(1, "too short");
    assert_eq!(files(&data), ["api-token", "config.toml", "lock"]);
    fs::write(data.join("store.redb.new"), "half of a store").unwrap();
    at(&["init"], &data, Some(PASSPHRASE)).ok();
    assert_eq!(files(&data), ["api-token", "config.toml", "lock", "store.redb"]);
}

#[test]
fn a_folder_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    at(&["init"], place.path(), Some(PASSPHRASE)).fails(1, "chmod 700");
    assert!(files(place.path()).is_empty());
}

#[test]
fn a_key_file_opens_the_store_instead() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let key = place.path().join("key");
    let with_key = |name: &str| {
        at(&["init", "--key-file", key.to_str().unwrap()], &place.path().join(name), Some(PASSPHRASE))
    };
    fs::write(&key, "07".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    with_key("a").fails(1, "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    with_key("a").ok();
    let config = fs::read_to_string(place.path().join("a/config.toml")).unwrap();
    assert!(config.contains(&format!("key_file = {:?}", key.to_str().unwrap())), "{config}");
    fs::write(&key, "too little").unwrap();
    with_key("b").fails(1, "32 random bytes");
    assert!(!place.path().join("b").exists());
}

/// The environment is heard, and a flag is louder.
#[test]
fn flags_win_over_the_environment() {
    let place = tempfile::tempdir().unwrap();
    let init = |name: &str, arguments: &[&str]| {
        let data = place.path().join(name);
        let mut command = consign(&[&["init"], arguments].concat());
        command.env("CONSIGN_DATA", &data).env("CONSIGN_NAME", "from-env");
        command.env("CONSIGN_PASSPHRASE", PASSPHRASE);
        finish(command).ok();
        fs::read_to_string(data.join("config.toml")).unwrap()
    };
    assert!(init("a", &[]).contains("name = \"from-env\""));
    assert!(init("b", &["--name", "from-flag"]).contains("name = \"from-flag\""));
}

#[test]
fn bad_invitations_are_told() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("b");
    for bad in ["", "consign1", "consign1zz", "consign100", "hello"] {
        at(&["join", bad], &data, Some(PASSPHRASE)).fails(2, "this is not an invitation");
    }
    at(&["join", &expired()], &data, Some(PASSPHRASE)).fails(2, "no longer good");
    assert!(!data.exists());
}

/// An invitation that was good for one second in 1970.
fn expired() -> String {
    use consign_node::core::{Hash, invitation::Invitation};
    use consign_node::identity::{ClusterId, Identity};
    let invitation = Invitation {
        cluster: ClusterId::from_bytes([1; 32]),
        charter: Hash([1; 32]),
        founder: Identity::from_seed(&[2; 32]).node_id(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".to_owned()],
        expires: 1,
        token: [3; 16],
    };
    invitation.to_string()
}

#[test]
fn without_a_folder_nothing_runs() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("nowhere");
    at(&["node"], &data, Some(PASSPHRASE)).fails(1, "consign init");
    let commands: [&[&str]; 4] =
        [&["key", "list"], &["validator", "list"], &["ceremony", "list"], &["invite"]];
    for command in commands {
        at(command, &data, None).fails(3, "consign init");
    }
    assert!(!data.exists());
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("a");
    at(&["init", "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"], &data, Some(PASSPHRASE)).ok();
    at(&["node"], &data, Some("the wrong passphrase")).fails(1, "does not open this store");
    at(&["node"], &data, None).fails(2, "CONSIGN_PASSPHRASE");
    at(&["node", "--log", "nonsense=loud"], &data, Some(PASSPHRASE)).fails(2, "no log filter");
}

#[test]
fn a_stopped_node_is_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let data: PathBuf = place.path().join("a");
    at(&["init"], &data, Some(PASSPHRASE)).ok();
    at(&["key", "list"], &data, None).fails(3, "consign node");
    // As a crash leaves it: an address where nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(data.join("api-address"), free.to_string()).unwrap();
    at(&["key", "list"], &data, None).fails(3, "consign node");
    fs::write(data.join("api-address"), "nonsense").unwrap();
    at(&["key", "list"], &data, None).fails(3, "consign node");
    run(&["key", "list", "--data", "/no/such/folder"]).fails(3, "consign init");
}
