//! The command line: help, examples, refused arguments.

use crate::common::{self, consign, run};

/// Every command, with one thing its help must say.
const COMMANDS: &[(&[&str], &str)] = &[
    (&[], "demo"),
    (&["demo"], "consign demo \"pay invoice 4711\""),
    (&["init"], "--key-file"),
    (&["node"], "--data"),
    (&["join"], "[INVITATION]"),
    (&["standby"], "takes over within 10 s"),
    (&["invite"], "--minutes"),
    (&["key"], "create"),
    (&["key", "create"], "--threshold"),
    (&["key", "import"], "--curve <secp256k1|p256>"),
    (&["key", "discard"], "<KEY>"),
    (&["key", "list"], "--json"),
    (&["key", "show"], "<KEY>"),
    (&["key", "sign"], "--digest"),
    (&["validator"], "list"),
    (&["validator", "list"], "--data"),
    (&["validator", "vouch"], "<VALIDATOR>"),
    (&["validator", "revoke"], "key reshare"),
    (&["validator", "block"], "At this node only"),
    (&["validator", "unblock"], "<VALIDATOR>"),
    (&["validator", "forgive"], "evidence is kept"),
    (&["charter"], "propose"),
    (&["charter", "show"], "--data"),
    (&["charter", "propose"], "--founder"),
    (&["charter", "sign"], "<CHARTER>"),
    (&["charter", "switch"], "At this node only"),
    (&["message"], "send"),
    (&["message", "send"], "--to"),
    (&["message", "list"], "--after"),
    (&["ceremony"], "watch"),
    (&["ceremony", "list"], "--limit"),
    (&["ceremony", "watch"], "[CEREMONY]"),
    (&["backup"], "--recipient"),
    (&["restore"], "--dir"),
    (&["key", "export"], "--confirm-export"),
    (&["key", "assemble"], "--format"),
    (&["bench"], "--batch"),
];

#[test]
fn every_command_helps_with_an_example() {
    for (command, says) in COMMANDS {
        for flag in ["--help", "-h"] {
            let said = run(&[command, &[flag][..]].concat()).ok();
            assert!(said.out.contains(says), "{command:?} {flag}: {}", said.out);
            assert!(said.out.contains("Example"), "{command:?} {flag}: {}", said.out);
            assert!(said.out.contains("consign "), "{command:?} {flag}: {}", said.out);
            assert!(said.out.contains("--json"), "{command:?} {flag}: {}", said.out);
        }
    }
}

#[test]
fn the_long_help_tells_the_exit_codes() {
    let said = run(&["--help"]).ok();
    assert!(said.out.contains("Exit codes:") && said.out.contains("too few signers"), "{}", said.out);
}

#[test]
fn the_version_is_told() {
    assert_eq!(run(&["--version"]).ok().out, format!("consign {}\n", env!("CARGO_PKG_VERSION")));
}

const RECIPIENT: &str = "age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6";

/// Wrong arguments are refused before anything is done, with a word that helps.
#[test]
fn wrong_arguments_are_refused() {
    let digest = "07".repeat(31);
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["dance"], "dance"),
        (&["key", "sign", "pay"], "<TEXT|--file <FILE>|--hex <HEX>|--digest <HEX>>"),
        (&["key", "sign", "pay", "text", "--hex", "00"], "cannot be used with"),
        (&["key", "sign", "pay", "--digest", &digest, "--hash", "sha256"], "cannot be used with"),
        (&["key", "sign", "pay", "--digest", &digest], "64 hexadecimal digits"),
        (&["key", "sign", "pay", "--hex", "0x00"], "without 0x"),
        (&["key", "sign", "pay", "text", "--hash", "md5"], "use sha256 or keccak256"),
        (&["key", "create"], "--name"),
        (&["key", "create", "--name", "two words"], "a label has"),
        (&["key", "create", "--name", "pay", "--level", "96"], "use 112 or 128"),
        (&["key", "create", "--name", "pay", "--threshold", "1"], "2..=20"),
        (&["invite", "--minutes", "0"], "1..=1440"),
        (&["backup", "file", "--recipient", "age1x"], "age-keygen"),
        (&["backup", "file", "--recipient", RECIPIENT, "--passphrase-file", "x"], "cannot be used with"),
        (&["restore", "file"], "--dir"),
        (&["key", "export", "pay", "--out", "file"], "--confirm-export"),
        (&["key", "assemble"], "<FILES>"),
        (&["demo", "--parties", "2"], "3..=20"),
        (&["demo", "--parties", "3", "--threshold", "3"], "--threshold must be below 3"),
        (&["demo", "--level", "80"], "use 112 or 128"),
        (&["bench", "--parties", "2", "--threshold", "3"], "choose a threshold"),
    ];
    for (arguments, says) in cases {
        let said = run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.err);
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
    }
}

/// The switches of the lanes and of batch verification, as arguments and in the environment.
#[test]
fn a_wrong_switch_is_refused() {
    let wrong = |said: common::Said| said.fails(2, "[possible values: on, off]");
    let help = run(&["bench", "--help"]).ok().out;
    for (flag, variable) in
        [("--lanes", "CONSIGN_LANES"), ("--batch-verification", "CONSIGN_BATCH_VERIFICATION")]
    {
        wrong(run(&["bench", flag, "maybe"]));
        for command in [&["bench"][..], &["node"]] {
            let mut command = consign(command);
            command.env(variable, "0");
            wrong(common::finish(command));
        }
        assert!(help.contains(&format!("[env: {variable}=]")), "{variable}");
    }
}

/// An empty variable is none: what is refused is something else.
#[test]
fn an_empty_switch_is_unset() {
    for value in ["", "on", "off"] {
        let mut command = consign(&["bench", "--parties", "2", "--threshold", "3"]);
        command.env("CONSIGN_LANES", value);
        common::finish(command).fails(2, "3 of 2 parties cannot sign");
    }
}

/// Who judges computes without lanes, whatever the environment says; there is nothing to switch.
#[test]
fn the_judge_has_no_switch() {
    run(&["verify-evidence", "--lanes", "on", "file"]).fails(2, "unexpected argument '--lanes'");
    let mut command = consign(&["verify-evidence", "/nowhere/file"]);
    command.env("CONSIGN_LANES", "maybe");
    let said = common::finish(command);
    assert!(said.code != 0 && !said.err.contains("possible values"), "{}", said.err);
}

#[test]
fn errors_are_json_for_programs() {
    let said = run(&["--json", "demo", "--threshold", "3"]).fails(2, "threshold");
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["exit_code"], 2);
    assert!(error["error"].as_str().unwrap().contains("--threshold must be below 3"));
    assert_eq!(said.out, "");
}

/// Output that nobody reads, as with `| head -0`, is no failure and no panic.
#[test]
fn a_closed_output_is_no_failure() {
    let place = tempfile::tempdir().unwrap();
    let mut command = consign(&["init", "--data"]);
    command.arg(place.path().join("a")).env("CONSIGN_PASSPHRASE", common::PASSPHRASE);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    let said = common::finish_with_output(command).ok();
    assert_eq!(said.err, "");
}
