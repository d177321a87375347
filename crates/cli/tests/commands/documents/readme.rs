//! The README, read and typed from the top.

use crate::secured::Files;

use super::sections;
use super::shell::Answer::{Hidden, Shown};
use super::shell::{Cheated, Shell};

/// A passphrase as a person types it.
const PHRASE: &str = "a phrase for the backup";

/// A recipient of files in the format of age.
pub(super) const RECIPIENT: &str = "age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6";

#[test]
fn everything_in_the_readme_works() {
    let mut shell = Shell::new();
    for section in sections("README.md") {
        let title = section.title.clone();
        match title.as_str() {
            // The rest of the two is what runs here.
            "Two commands" => {
                for line in section.lines.iter().filter(|line| !line.starts_with("cargo test ")) {
                    shell.run(line);
                }
            }
            "By hand, in three terminals" => by_hand(&mut shell, &section.lines),
            "From another machine" => from_another_machine(&mut shell, &section.lines),
            "When somebody cheats" => cheated(&section.lines),
            "New shares, same public key" => {
                shell.join("alice", "dave", "dave");
                shell.run("consign node --data dave");
                ["alice", "bob", "dave"].iter().for_each(|folder| shell.meets(folder, 4));
                section.lines.iter().for_each(|line| drop(shell.run(line)));
                let key = shell.json("consign key show --data carol pay");
                assert_eq!((&key["epoch"], &key["share"]), (&2.into(), &false.into()));
            }
            "A key that exists already" => import(&mut shell, &section.lines),
            "Backup and restore" => back_up(&mut shell, &section.lines),
            other => panic!("what is to be done with the commands of `{other}`?"),
        }
    }
}

fn by_hand(shell: &mut Shell, lines: &[String]) {
    for line in lines {
        match line.as_str() {
            "cargo install --locked --path crates/cli" => continue,
            "consign validator list --data alice" => shell.meets("alice", 3),
            "consign key list --data carol" => drop(shell.has_key("carol", "pay")),
            _ => {}
        }
        let said = shell.run(line);
        if line.contains("consign invite") {
            shell.mean("INVITATION", said.out.trim());
        }
        if line.contains("key sign") {
            assert!(said.out.contains("yes by libsecp256k1"), "{}", said.out);
        }
    }
    assert_eq!(shell.has_key("bob", "pay")["threshold"], 2);
}

/// The other machine is this one, by another name.
fn from_another_machine(shell: &mut Shell, lines: &[String]) {
    Files::make(&shell.path(""));
    shell.everywhere("node1.example.org", "localhost");
    shell.everywhere("0.0.0.0:7601", "0.0.0.0:0");
    let cluster = shell.json("consign charter show --data alice")["cluster"].as_str().unwrap().to_owned();
    shell.mean("CLUSTER_ID", &cluster);
    shell.stop("alice");
    let client = shell.run("consign client new shop.key").out;
    shell.run(&format!(
        "consign policy allow --data alice {} --name shop --key pay --ceremony sign",
        client.trim()
    ));
    for line in lines {
        if line.contains("--api-url") {
            shell.meets("alice", 3);
            let log = shell.log("alice");
            let port = log.split("listening for clients address=0.0.0.0:").nth(1).unwrap();
            let port = port.split_whitespace().next().unwrap();
            shell.mean(":7601", &format!(":{port}"));
            shell.run("consign key trust --data alice --client shop.key pay");
        }
        shell.run(line);
    }
    shell.stop("alice");
    shell.run("rm alice/policy.toml; consign policy drop --data alice --without-policy");
    shell.run("consign node --data alice");
}

fn cheated(lines: &[String]) {
    let mut cheated = Cheated::new("alice");
    for line in lines {
        if line.contains("3f9a") {
            let list = cheated.shell.json("consign evidence list --data alice");
            cheated.shell.mean("3f9a", list[0]["id"].as_str().unwrap());
        }
        cheated.shell.run(line);
    }
}

fn import(shell: &mut Shell, lines: &[String]) {
    shell.run(&format!("umask 077; echo {} > old.pem", "5a".repeat(32)));
    for line in lines {
        if line.contains("key import") {
            shell.type_into(line, &[Shown("Type the label", "old")]);
        } else {
            shell.has_key("bob", "old");
            shell.run(line);
        }
    }
}

fn back_up(shell: &mut Shell, lines: &[String]) {
    shell.stop("alice");
    for line in lines {
        if line.contains("--recipient") {
            shell.mean("age1tv4m…", RECIPIENT);
            shell.run("mv alice.backup first.backup");
            shell.run(line);
            shell.run("mv first.backup alice.backup");
        } else if line.starts_with("consign backup") {
            shell.type_into(line, &[Hidden("New passphrase", PHRASE), Hidden("The same again", PHRASE)]);
        } else if line.starts_with("consign restore") {
            shell.type_into(line, &[Hidden("assphrase", PHRASE)]);
        } else {
            if line.contains("accept-rollback") {
                shell.meets("alice-again", 4);
                shell.stop("alice-again");
            }
            shell.run(line);
        }
    }
}
