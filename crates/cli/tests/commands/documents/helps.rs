//! Every example of `--help`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Said, run, until};
use crate::redis_server::Server;

use super::project;
use super::readme::RECIPIENT;
use super::shell::Answer::{Hidden, Shown};
use super::shell::{Answer, Cheated, Shell};

/// A passphrase for files.
const PHRASE: &str = "a phrase for files";

/// The public key in examples.
const SOME_KEY: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

/// Demonstrations have tests of their own, which run these very commands (`demo.rs`); completions of shells too.
const RUN_ELSEWHERE: [&str; 5] = [
    "consign demo \"pay invoice 4711\"",
    "consign demo --parties 5 --threshold 3 --level 112",
    "consign demo --cheat",
    "consign demo --quick",
    "consign demo --keep",
];

/// The examples of a command and of all below it, each on one line.
fn examples(command: &[&str], found: &mut BTreeSet<String>) {
    let help = run(&[command, &["--help"]].concat()).ok().out;
    let block = |title: &str| help.split_once(title).map(|(_, rest)| rest.split("\n\n").next().unwrap());
    if let Some(block) = block("\nExample:\n").or_else(|| block("\nExamples:\n")) {
        let mut lines: Vec<String> = Vec::new();
        for line in block.lines().map(str::trim) {
            match lines.last_mut() {
                // A line that was too long for the screen.
                Some(last) if !line.split(' ').any(|word| word == "consign") => {
                    last.truncate(last.trim_end_matches('\\').trim_end().len());
                    last.push_str(&format!(" {line}"));
                }
                _ => lines.push(line.to_owned()),
            }
        }
        found.extend(lines);
    }
    for line in block("\nCommands:\n").unwrap_or_default().lines() {
        // Explanations that go on stand further to the right.
        let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '));
        let Some(name) = name.and_then(|line| line.split(' ').next()).filter(|name| *name != "help") else {
            continue;
        };
        examples(&[command, &[name]].concat(), found);
    }
}

/// A shell, and the examples that have not been run yet.
struct Run {
    shell: Shell,
    known: BTreeSet<String>,
    left: BTreeSet<String>,
}

impl Run {
    fn is_an_example(&mut self, line: &str) {
        // Asked for more than the example asks for.
        let line = if self.known.contains(line) { line } else { line.trim_end_matches(" --json") };
        assert!(self.known.contains(line), "`{line}` is no example of `--help` any more");
        self.left.remove(line);
    }

    /// The example works.
    #[track_caller]
    fn works(&mut self, line: &str) -> Said {
        self.is_an_example(line);
        self.shell.run(line)
    }

    /// Each of them works.
    #[track_caller]
    fn work(&mut self, lines: &[&str]) {
        lines.iter().for_each(|line| drop(self.works(line)));
    }

    /// It works with what is typed.
    #[track_caller]
    fn works_with(&mut self, line: &str, answers: &[Answer<'_>]) {
        self.is_an_example(line);
        self.shell.type_into(line, answers);
    }

    /// It says why it cannot work here.
    #[track_caller]
    fn says(&mut self, line: &str, why: &str) {
        self.is_an_example(line);
        self.shell.refused(line, why);
    }

    /// The first value that a list shows for which the field is so.
    fn id(&mut self, list: &str, field: &str, value: &Value) -> String {
        let all = self.shell.json(list);
        let found = all.as_array().unwrap().iter().find(|item| item[field] == *value);
        found.unwrap_or_else(|| panic!("`{list}`: {all}"))["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn every_example_of_the_help_works() {
    let mut known = BTreeSet::new();
    examples(&[], &mut known);
    let mut run = Run { shell: Shell::new(), left: known.clone(), known };
    for line in RUN_ELSEWHERE {
        run.is_an_example(line);
    }
    founding(&mut run);
    keys(&mut run);
    members(&mut run);
    policies(&mut run);
    files(&mut run);
    evidence(&mut run);
    standby(&mut run);
    for line in
        ["consign completions bash", "consign completions zsh", "consign bench --parties 3 --threshold 2"]
    {
        run.works(line);
    }
    assert!(run.left.is_empty(), "nobody runs these examples: {:#?}", run.left);
}

fn founding(run: &mut Run) {
    run.works("CONSIGN_PASSPHRASE='correct horse battery' consign init --data ./a --name alice");
    run.works("CONSIGN_PASSPHRASE='correct horse battery' consign node --data ./a --log debug");
    let invitation = run.works("consign invite --data ./a").out;
    run.shell.mean("consign1...", invitation.trim());
    run.works("CONSIGN_PASSPHRASE='correct horse battery' consign join --data ./b --name bob consign1...");
    run.shell.set("CONSIGN_PASSPHRASE", "correct horse battery");
    run.shell.run("consign node --data ./b");
    for (folder, name) in [("./c", "carol"), ("./d", "dave"), ("./e", "erin")] {
        run.shell.join("./a", folder, name);
        run.shell.run(&format!("consign node --data {folder}"));
    }
    ["./a", "./b", "./c", "./d", "./e"].iter().for_each(|folder| run.shell.meets(folder, 5));
    run.shell.stop("./a");
    run.works("consign node --data ./a");
    ["./a", "./b", "./c", "./d", "./e"].iter().for_each(|folder| run.shell.meets(folder, 5));
}

fn keys(run: &mut Run) {
    run.works("consign key create --data ./a --name pay");
    run.work(&[
        "consign key create --data ./a --name vault --threshold 3 --member alice --member bob --member carol",
        "consign key create --data ./a --name tls --curve p256",
        "consign key list --data ./a",
        "consign key show --data ./a pay",
    ]);
    run.shell.run("echo 'a contract' > contract.pdf");
    run.shell.has_key("./b", "pay");
    run.work(&[
        "consign key sign --data ./a pay \"invoice 4711\"",
        "consign key sign --data ./b pay \"invoice 4711\"",
        "consign key sign --data ./a pay --file contract.pdf",
        "consign key sign --data ./a pay --hash keccak256 --hex 00ff",
        "consign key sign --data ./a pay --path m/0/5 \"invoice 4711\"",
        "consign key address --data ./a pay",
        "consign key address --data ./a pay --path m/0/5",
        "consign key certificate --data ./a pay --out pay.certificate",
        "consign verify-certificate pay.certificate",
        "consign key refresh --data ./a pay",
        "consign key refresh --data ./a pay --keep-aux",
    ]);
    run.work(&[
        "consign key reshare --data ./a pay --threshold 3 --member alice --member bob --member carol --member dave \
         --member erin",
        "consign key reshare --data ./a pay --member alice --member bob --member erin",
        "consign key presign --data ./a pay --count 10",
        "consign key presign --data ./a pay --count 4 --signer alice --signer bob",
        "consign key reshare --data ./a pay --member alice --member bob --member dave",
    ]);
    run.shell.run(&format!(
        "umask 077; echo {} > key.pem; echo {} > key.hex",
        "5a".repeat(32),
        "5b".repeat(32)
    ));
    run.works_with(
        "consign key import old --data ./a --curve p256 --from key.pem",
        &[Shown("Type the label", "old")],
    );
    run.says("consign key discard --data ./a old", "still in one place");
    run.works(
        "consign key import other --data ./a --curve secp256k1 --threshold 3 --member alice --member bob --member carol \
         --from - --i-understand < key.hex",
    );
    run.work(&["consign ceremony list --data ./a", "consign ceremony list --data ./a --limit 10"]);
    let id = run.shell.json("consign ceremony list --data ./a")[0]["id"].as_str().unwrap().to_owned();
    run.shell.mean("3f9a", &id);
    run.works("consign ceremony watch --data ./a 3f9a");
}

fn members(run: &mut Run) {
    run.work(&[
        "consign validator list --data ./a",
        "consign validator block --data ./a bob",
        "consign validator unblock --data ./a bob",
        "consign validator revoke --data ./a bob",
        "consign validator vouch --data ./a bob",
    ]);
    run.says("consign validator forgive --data ./a bob", "Nothing is to be forgiven");
    ["./a", "./b"].iter().for_each(|folder| run.shell.meets(folder, 5));
    // The first by its one founder alone, the second by two of three.
    let propose = "consign charter propose --data ./a --founder alice --founder bob --founder carol";
    run.work(&[propose, "consign charter show --data ./a"]);
    let charter = |run: &mut Run| run.shell.json("consign charter show --data ./b");
    until("the charter to come", || {
        (charter(run)["charter"]["founders"].as_array()?.len() == 3).then_some(())
    });
    run.works(propose);
    let id = until("the draft to come", || charter(run)["proposed"][0]["id"].as_str().map(str::to_owned));
    run.shell.mean("3f9a", &id);
    run.works("consign charter sign --data ./b 3f9a");
    run.shell.mean("3f9a", &id);
    run.says("consign charter switch --data ./a 3f9a", "charter");
    run.work(&[
        "consign message send --data ./a --to bob ops \"the new key is ready\"",
        "consign message send --data ./a ops \"node a restarts at noon\"",
        "consign message list --data ./b ops",
        "consign message list --data ./b --after 17 --json",
        "consign doctor --data ./a",
        "consign doctor --data ./a --json",
    ]);
}

fn policies(run: &mut Run) {
    let made = run.works("consign client new shop.key --json").json();
    let public_key = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
    run.shell.mean(public_key, made["client"].as_str().unwrap());
    run.works(&format!("consign policy allow --data ./a {public_key} --name shop"));
    run.work(&[
        "consign policy allow --data ./a shop --key \"pay-*\" --ceremony sign --per-minute 60",
        "consign policy allow --data ./a shop --key vault --ceremony sign --ceremony reshare --approve",
        "consign policy check --data ./a",
        "consign policy check --data ./a --client shop --ceremony sign --key pay-7 --own",
        "consign approve --data ./a",
    ]);
    run.says(
        "consign policy check --data ./a --client shop --ceremony sign --key vault --raw-digest",
        "add `raw_digests = true`",
    );
    run.shell.run("consign policy allow --data ./a shop --key pay --ceremony sign");
    // Refused where no rule allows it, allowed by the last rule.
    until("the policy to be in force", || run.shell.log("./a").contains("clients 1, rules 4").then_some(()));
    run.shell.run("consign key trust --data ./a --client shop.key vault");
    let key = run.shell.has_key("./a", "pay");
    run.works("consign key trust --data ./a --client shop.key pay");
    for line in
        ["consign key trust --data ./a --client shop.key pay", "consign verify-certificate pay.certificate"]
    {
        run.shell.mean(SOME_KEY, key["public_key"].as_str().unwrap());
        run.works(&format!("{line} --public-key {SOME_KEY}"));
    }
    run.works("consign key sign --data ./a --client shop.key pay \"invoice 4711\"");
    for (line, request) in
        [("consign approve --data ./a 3f9a", "one"), ("consign approve --data ./a 3f9a --deny", "two")]
    {
        let sign =
            format!("consign key sign --data ./a --client shop.key --request {request} vault {request}");
        run.shell.refused(&sign, "approv");
        let id = run.id("consign approve --data ./a", "state", &"waiting".into());
        run.shell.mean("3f9a", &id);
        run.works(line);
        if request == "one" {
            run.shell.run(&sign);
        }
    }
    run.shell.stop("./a");
    run.shell.run("rm ./a/policy.toml");
    run.works("consign policy drop --data ./a --without-policy");
}

fn files(run: &mut Run) {
    run.shell.stop("./b");
    let identity = project().join("crates/node/src/age/fixtures/one.identity");
    for name in ["alice.txt", "bob.txt", "offline.txt"] {
        run.shell.run(&format!("umask 077; cat {} > {name}", identity.display()));
    }
    run.shell.run(&format!("umask 077; echo '{PHRASE}' > phrase; echo 'correct horse battery' > new.txt"));
    let export = format!(
        "consign key export --data ./a pay --out pay-alice.share --confirm-export --recipient {RECIPIENT}"
    );
    run.works(&export);
    for (flag, line) in [
        (
            format!("--recipient {RECIPIENT}"),
            "consign key assemble alice.share bob.share --identity alice.txt --identity bob.txt --out pay.key",
        ),
        (
            "--passphrase-file phrase".to_owned(),
            "consign key assemble alice.share bob.share --passphrase-file phrase --format pem --out pay.pem",
        ),
    ] {
        for (folder, name) in [("./a", "alice"), ("./b", "bob")] {
            run.shell.run(&format!(
                "consign key export --data {folder} pay --out {name}.share --confirm-export {flag}"
            ));
        }
        run.works(line);
        run.shell.run("rm alice.share bob.share");
    }

    let twice = [Hidden("New passphrase", PHRASE), Hidden("The same again", PHRASE)];
    run.works_with("consign backup --data ./a alice.backup", &twice);
    run.works_with("consign restore alice.backup --dir ./alice", &[Hidden("assphrase", PHRASE)]);
    run.shell.run("rm -r ./alice alice.backup");
    run.works(&format!("consign backup --data ./a alice.backup --recipient {RECIPIENT}"));
    run.works(
        "CONSIGN_PASSPHRASE='correct horse battery' consign restore alice.backup --dir ./alice --identity offline.txt",
    );

    run.work(&["consign audit list --data ./a --last 20", "consign audit verify --data ./a"]);
    run.says("consign audit archive --data ./a audit-2026.jsonl --keep 1000", "nothing to archive");
    let same = "correct horse battery";
    run.works_with(
        "consign passphrase change --data ./a",
        &[Hidden("New passphrase", same), Hidden("The same again", same)],
    );
    run.works("consign passphrase change --data ./a --new-passphrase-file new.txt");
    run.shell.run("umask 077; openssl rand -hex 32 > store.key");
    let key_file = run.shell.path("store.key");
    run.shell.mean("/etc/consign/store.key", key_file.to_str().unwrap());
    run.works("consign passphrase change --data ./a --new-key-file /etc/consign/store.key");
    // A restored folder in its place.
    run.shell.run("rm -r ./a; mv ./alice ./a");
    run.works("consign audit accept-rollback --data ./a");
}

fn standby(run: &mut Run) {
    let folder = run.shell.path("redis");
    std::fs::create_dir(&folder).unwrap();
    let server = Server::start(&folder, &[]);
    let url = format!("'{}'", server.url("alice"));
    run.shell.run(&format!("consign init --data ./on-redis --store {url}"));
    run.shell.mean("'rediss://:PASSWORD@redis.example.org:6379/0?name=alice'", &url);
    run.works(
        "CONSIGN_PASSPHRASE='correct horse battery' consign standby --data ./a2 --store \
         'rediss://:PASSWORD@redis.example.org:6379/0?name=alice'",
    );
}

fn evidence(run: &mut Run) {
    let mut cheated = Cheated::new("./a");
    std::mem::swap(&mut run.shell, &mut cheated.shell);
    let list = run.works("consign evidence list --data ./a --json").json();
    let id = list[0]["id"].as_str().unwrap();
    run.shell.mean("3f9a", id);
    run.works("consign evidence save --data ./a 3f9a proof.evidence");
    run.works("consign verify-evidence proof.evidence");
    let key = run.shell.has_key("./a", "demo");
    run.shell.mean(SOME_KEY, key["public_key"].as_str().unwrap());
    run.works(&format!("consign verify-evidence proof.evidence --key {SOME_KEY}"));
    std::mem::swap(&mut run.shell, &mut cheated.shell);
}
