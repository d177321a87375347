//! `consign passphrase change`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{PASSPHRASE, Said, consign, finish};

const OTHER: &str = "another passphrase";

fn change(data: &Path, passphrase: &str, arguments: &[&str]) -> Said {
    let mut command = consign(&["passphrase", "change", "--json", "--data"]);
    command.arg(data).args(arguments).env("CONSIGN_PASSPHRASE", passphrase);
    finish(command)
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_opens_a_store_is_changed() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("a");
    let file = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (other, short, key) = (file("other"), file("short"), file("key"));
    private(Path::new(&other), &format!("{OTHER}\n"));
    private(Path::new(&short), "short\n");
    private(Path::new(&key), &"0f".repeat(32));
    let mut init = consign(&["init", "--data"]);
    init.arg(&data).env("CONSIGN_PASSPHRASE", PASSPHRASE);
    finish(init).ok();

    // Nothing changes unless all is well.
    change(&data, OTHER, &["--new-passphrase-file", &other]).fails(1, "passphrase does not open this store");
    change(&data, PASSPHRASE, &["--new-passphrase-file", &short]).fails(1, "too short");
    change(&data, PASSPHRASE, &[]).fails(2, "--new-passphrase-file");
    let said = change(&data, PASSPHRASE, &["--new-passphrase-file", &other]).ok().json();
    assert_eq!((&said["locked_with"], &said["to_do"]), (&"passphrase".into(), &serde_json::Value::Null));
    change(&data, PASSPHRASE, &["--new-passphrase-file", &other]).fails(1, "does not open this store");

    // To a key file, which the configuration must name from then on.
    let said = change(&data, OTHER, &["--new-key-file", &key]).ok().json();
    assert!(said["to_do"].as_str().unwrap().contains(&format!("key_file = \"{key}\"")), "{said}");
    change(&data, OTHER, &["--new-key-file", &key]).fails(1, "locked by a key file");
    let back = ["--key-file", &key, "--new-passphrase-file", &other];
    assert_eq!(change(&data, PASSPHRASE, &back).ok().json()["to_do"], serde_json::Value::Null);
    change(&data, OTHER, &["--new-key-file", &key]).ok();
}
