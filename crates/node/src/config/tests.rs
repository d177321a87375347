use super::*;

fn resolve(flags: &Flags, environment: &[(&str, &str)], text: &str) -> Result<Config, ConfigError> {
    let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    Config::resolve(flags, lookup, text, Path::new("/folder/config.toml"))
}

fn default() -> Config {
    resolve(&Flags::default(), &[], "").unwrap()
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = default();
    assert_eq!(config.listen, [parse_address("/ip4/0.0.0.0/tcp/7600").unwrap()]);
    assert!(config.announce.is_empty());
    assert_eq!(config.api.listen, "127.0.0.1:7601".parse().unwrap());
    assert_eq!(config.key_file, None);
    assert_eq!(config.passphrase_variable, "CONSIGN_PASSPHRASE");
    assert_eq!(config.log, "info");
    assert_eq!(config.keep_presignatures, 0);
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = "name = \"from file\"\n[api]\nlisten = \"127.0.0.1:1\"\n[store]\nkey_file = \"a.key\"";
    let environment = [("CONSIGN_NAME", "from environment"), ("CONSIGN_API", "127.0.0.1:2")];
    let flags = Flags { name: Some("from flag".into()), ..Flags::default() };
    let config = resolve(&flags, &environment, file).unwrap();
    assert_eq!(config.name, "from flag");
    assert_eq!(config.api.listen.port(), 2);
    assert_eq!(config.key_file, Some(PathBuf::from("/folder/a.key")));
    assert_eq!(resolve(&Flags::default(), &environment, file).unwrap().name, "from environment");
    assert_eq!(resolve(&Flags::default(), &[], file).unwrap().api.listen.port(), 1);
    let flags = Flags { key_file: Some("b.key".into()), ..Flags::default() };
    assert_eq!(resolve(&flags, &[], file).unwrap().key_file, Some(PathBuf::from("b.key")));
}

#[test]
fn lists_come_from_flags_variables_and_file() {
    let two = ["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/2"];
    let expected: Vec<Multiaddr> = two.iter().map(|a| parse_address(a).unwrap()).collect();
    let flags = Flags { listen: two.map(str::to_owned).to_vec(), ..Flags::default() };
    assert_eq!(resolve(&flags, &[], "").unwrap().listen, expected);
    let variable = [("CONSIGN_ANNOUNCE", "/ip4/192.0.2.1/tcp/1, /ip6/2001:db8::1/tcp/2")];
    assert_eq!(resolve(&Flags::default(), &variable, "").unwrap().announce, expected);
    let file = "[p2p]\nlisten = [\"/ip4/192.0.2.1/tcp/1\", \"/ip6/2001:db8::1/tcp/2\"]";
    assert_eq!(resolve(&Flags::default(), &[], file).unwrap().listen, expected);
}

#[test]
fn what_init_writes_reads_as_it_was() {
    assert_eq!(resolve(&Flags::default(), &[], &default().to_file()).unwrap(), default());
    let mut config = default();
    config.name = "quotes \" and \\ and \u{e9}".into();
    config.key_file = Some("/keys/a \"b\".key".into());
    config.announce = vec![parse_address("/ip4/192.0.2.7/tcp/9").unwrap()];
    config.api = ApiConfig {
        listen: "[::1]:5".parse().unwrap(),
        tls: Some(TlsFiles { certificate: "/tls/a \"b\".pem".into(), key: "/tls/key".into() }),
        names: vec!["node1.example.org".to_owned(), "node1".to_owned()],
        allow_plain_http: true,
    };
    config.store = Some(RedisUrl::parse("rediss://:pass\"word@example.org?name=alice").unwrap());
    config.assert_redis_settings = true;
    config.keep_presignatures = MAX_KEPT_PRESIGNATURES;
    assert_eq!(resolve(&Flags::default(), &[], &config.to_file()).unwrap(), config);
    assert!(config.to_file().lines().all(|line| line.len() <= 110));
}

#[test]
fn the_api_has_a_certificate_and_names() {
    let file = "[api]\ntls_certificate = \"a.pem\"\ntls_key = \"/b.key\"\nnames = [\"One.example\"]";
    let api = resolve(&Flags::default(), &[], file).unwrap().api;
    assert_eq!(api.tls, Some(TlsFiles { certificate: "/folder/a.pem".into(), key: "/b.key".into() }));
    assert_eq!((api.names, api.allow_plain_http), (vec!["one.example".to_owned()], false));
    let flags = Flags { tls_key: Some("c.key".into()), api_names: vec!["x".into()], ..Flags::default() };
    let environment = [
        ("CONSIGN_TLS_CERTIFICATE", "e.pem"),
        ("CONSIGN_API_NAMES", "two.example, three"),
        ("CONSIGN_ALLOW_PLAIN_HTTP", "true"),
    ];
    let api = resolve(&flags, &environment, file).unwrap().api;
    assert_eq!(api.tls, Some(TlsFiles { certificate: "e.pem".into(), key: "c.key".into() }));
    assert_eq!((api.names, api.allow_plain_http), (vec!["x".to_owned()], true));
    assert_eq!(resolve(&Flags::default(), &environment, file).unwrap().api.names, ["two.example", "three"]);
    for (environment, file, name) in [
        (&[][..], "[api]\ntls_key = \"a\"", "api.tls_key"),
        (&[("CONSIGN_TLS_CERTIFICATE", "e.pem")], "", "api.tls_certificate"),
        (&[("CONSIGN_ALLOW_PLAIN_HTTP", "yes")], "", "api.allow_plain_http"),
        (&[("CONSIGN_API_NAMES", "a.example:7601")], "", "api.names"),
        (&[("CONSIGN_API_NAMES", "*.example")], "", "api.names"),
        (&[("CONSIGN_API_NAMES", "a..b")], "", "api.names"),
        (&[("CONSIGN_API_NAMES", "192.0.2.1")], "", "api.names"),
    ] {
        let text = resolve(&Flags::default(), environment, file).unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    }
    let many = vec!["a".to_owned(); MAX_API_NAMES + 1];
    assert!(resolve(&Flags { api_names: many, ..Flags::default() }, &[], "").is_err());
}

/// Without TLS other machines reach it only where that is said to be meant.
#[test]
fn an_open_api_is_told() {
    let exposed = |listen: &str, more: &str| {
        let file = format!("[api]\nlisten = \"{listen}\"\n{more}");
        resolve(&Flags::default(), &[], &file).unwrap().api.is_exposed()
    };
    assert!(exposed("0.0.0.0:1", "") && exposed("192.0.2.1:1", "") && exposed("[::]:1", ""));
    assert!(!exposed("127.0.0.1:1", "") && !exposed("[::1]:1", ""));
    assert!(!exposed("0.0.0.0:1", "allow_plain_http = true"));
    assert!(!exposed("0.0.0.0:1", "tls_certificate = \"a\"\ntls_key = \"b\""));
}

#[test]
fn a_wrong_value_is_named_with_its_source() {
    let flags = Flags { api: Some("everywhere".into()), ..Flags::default() };
    let text = resolve(&flags, &[], "").unwrap_err().to_string();
    assert!(text.contains("api.listen") && text.contains("everywhere") && text.contains("--api"), "{text}");

    let text = resolve(&Flags::default(), &[("CONSIGN_LISTEN", "/ip4/1.2.3.4/udp/5")], "").unwrap_err();
    let text = text.to_string();
    assert!(text.contains("p2p.listen") && text.contains("CONSIGN_LISTEN"), "{text}");

    let text = resolve(&Flags::default(), &[], "name = \"\\u001b[31m\"").unwrap_err().to_string();
    assert!(text.contains("control characters") && text.contains("config.toml"), "{text}");

    let text = resolve(&Flags::default(), &[], "nmae = \"x\"").unwrap_err().to_string();
    assert!(text.contains("nmae") && text.contains("config.toml"), "{text}");

    let file = format!("[presignatures]\nkeep = {}", MAX_KEPT_PRESIGNATURES + 1);
    let text = resolve(&Flags::default(), &[], &file).unwrap_err().to_string();
    assert!(text.contains("presignatures.keep") && text.contains("config.toml"), "{text}");

    let file = "[store]\nurl = \"redis://:secret@192.0.2.1\"";
    let text = resolve(&Flags::default(), &[], file).unwrap_err().to_string();
    assert!(text.contains("store.url must begin with rediss://") && text.contains("192.0.2.1"), "{text}");
    assert!(text.contains("config.toml") && !text.contains("secret"), "{text}");

    let many = vec!["/ip4/192.0.2.1/tcp/1".to_owned(); MAX_ADDRESSES + 1];
    assert!(resolve(&Flags { listen: many, ..Flags::default() }, &[], "").is_err());
}

#[test]
fn the_store_is_a_file_or_a_server() {
    let place = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(&place.path().join("data")).unwrap();
    assert!(matches!(default().place(&folder), Place::File(path) if path == folder.store_file()));
    let flags = Flags { store: Some("redis://localhost?name=a".to_owned().into()), ..Flags::default() };
    assert!(!format!("{flags:?}").contains("localhost"), "a password may be in it");
    let environment = [("CONSIGN_STORE", "redis://localhost?name=b")];
    let config = resolve(&flags, &environment, "[store]\nassert_redis_settings = true").unwrap();
    let Place::Redis { url, remembered, asserted } = config.place(&folder) else { panic!("no server") };
    assert_eq!((url.expose(), asserted), ("redis://localhost?name=a", true));
    assert_eq!(remembered, folder.store_counter_file());
    let config = resolve(&Flags::default(), &environment, "").unwrap();
    assert_eq!(config.store.unwrap().expose(), "redis://localhost?name=b");
}

#[test]
fn addresses_are_ip_and_tcp_only() {
    for good in ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/7600"] {
        assert!(parse_address(good).is_some(), "{good}");
    }
    for bad in ["", "127.0.0.1:7600", "/tcp/1", "/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1/quic-v1", "/dns/a/tcp/1"]
    {
        assert!(parse_address(bad).is_none(), "{bad}");
    }
    let with_peer = "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
    assert!(parse_address(with_peer).is_none());
}

#[test]
fn the_folder_and_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a").join("b");
    assert!(matches!(DataFolder::open(&path), Err(FolderError::NotFound { .. })));
    let folder = DataFolder::create(&path).unwrap();
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    folder.write_file(&folder.api_token_file(), b"first, and long").unwrap();
    folder.write_file(&folder.api_token_file(), b"second").unwrap();
    assert_eq!(std::fs::read(folder.api_token_file()).unwrap(), b"second");
    assert_eq!(mode(&folder.api_token_file()), 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = DataFolder::open(&path).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn a_huge_file_is_refused_unread() {
    let place = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(&place.path().join("data")).unwrap();
    assert_eq!(
        Config::load(&folder, &Flags { name: Some("n".into()), ..Flags::default() }).unwrap().name,
        "n"
    );
    let size = usize::try_from(MAX_FILE_BYTES).unwrap() + 1;
    std::fs::write(folder.config_file(), " ".repeat(size)).unwrap();
    assert!(matches!(Config::load(&folder, &Flags::default()), Err(ConfigError::TooLarge { .. })));
}

/// What a backup takes along: the file, not the place of a secret on this machine.
#[test]
fn a_backup_has_the_file_without_its_key_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(&place.path().join("data")).unwrap();
    let text = "name = \"anna\"\n[store]\nkey_file = \"/etc/key\"\nurl = \"redis://localhost\"\n[api]\ntls_certificate = \"a\"\ntls_key = \"b\"\n[presignatures]\nkeep = 7\n";
    folder.write_file(&folder.config_file(), text.as_bytes()).unwrap();
    let config = Config::of_file(&folder).unwrap();
    assert_eq!((config.name.as_str(), &config.key_file, config.keep_presignatures), ("anna", &None, 7));
    assert_eq!((&config.store, &config.api.tls), (&None, &None));
    let flags = Flags { name: Some("bert".to_owned()), ..Flags::default() };
    let again = Config::of_text(&config.to_file(), &flags).unwrap();
    assert_eq!(again, Config { name: "bert".to_owned(), ..config });
    let error = Config::of_text("nonsense", &flags).unwrap_err().to_string();
    assert!(error.contains("the backup"), "{error}");
}
