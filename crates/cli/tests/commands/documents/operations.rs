//! The guide for operators, with three hosts as three folders.

use crate::common::until;
use crate::redis_server::Server;

use super::readme::RECIPIENT;
use super::shell::Shell;
use super::{Section, sections};

/// Where the guide has the data of a host.
const DATA: &str = "/var/lib/consign";

/// All lines, typed on one host.
fn on(shell: &mut Shell, host: &str, section: &Section) {
    shell.everywhere(DATA, host);
    section.lines.iter().for_each(|line| drop(shell.run(line)));
}

#[test]
fn everything_in_the_guide_for_operators_works() {
    let mut shell = Shell::new();
    for section in sections("docs/operations.md") {
        match section.title.as_str() {
            "Three nodes on three hosts" => on(&mut shell, "alice", &section),
            "Alice founds the cluster" => on(&mut shell, "alice", &section),
            "Alice invites" => {
                shell.everywhere(DATA, "alice");
                for line in &section.lines {
                    let invitation = shell.run(line).out;
                    shell.mean("INVITATION", invitation.trim());
                }
            }
            "Bob joins" => on(&mut shell, "bob", &section),
            "Carol joins" => on(&mut shell, "carol", &section),
            "Everybody compares" => {
                for host in ["alice", "bob", "carol"] {
                    shell.meets(host, 3);
                }
                on(&mut shell, "alice", &section);
            }
            "A client, and what it may do" => a_client(&mut shell, &section),
            "Watching" => on(&mut shell, "alice", &section),
            "Backup" => {
                shell.stop("alice");
                shell.mean("RECIPIENT", RECIPIENT);
                on(&mut shell, "alice", &section);
            }
            "A host is lost" => a_lost_host(&mut shell, &section),
            "Rotation" => {
                shell.run("openssl rand -hex 32 > new.key; chmod 600 new.key");
                shell.everywhere(DATA, "alice");
                for line in &section.lines {
                    if line.contains("passphrase change") {
                        shell.stop("alice");
                    }
                    shell.run(line);
                }
            }
            "A second process that stands by" => stand_by(&section),
            other => panic!("what is to be done with the commands of `{other}`?"),
        }
    }
}

/// Each operator allows it, as the guide says.
fn a_client(shell: &mut Shell, section: &Section) {
    let mut public_key = String::new();
    for line in &section.lines {
        if line.contains("policy ") {
            for host in ["alice", "bob", "carol"] {
                shell.everywhere(DATA, host);
                shell.mean("SHOP", &public_key);
                shell.run(line);
                shell.forget("SHOP");
            }
            continue;
        }
        if line.contains("key create") {
            for host in ["alice", "bob", "carol"] {
                shell.stop(host);
                shell.run(&format!("consign node --data {host}"));
                // The others must know its new port before they end, too.
                ["alice", "bob", "carol"].iter().for_each(|host| shell.meets(host, 3));
            }
        }
        shell.everywhere(DATA, "bob");
        let said = shell.run(line);
        if line.contains("client new") {
            public_key = said.out.trim().to_owned();
        }
    }
}

/// Carol's node is gone, Dave's comes.
fn a_lost_host(shell: &mut Shell, section: &Section) {
    shell.meets("alice", 3);
    shell.stop("carol");
    for line in &section.lines {
        shell.everywhere(DATA, "alice");
        if line.contains("consign invite") {
            let invitation = shell.run(line).out;
            shell.mean("INVITATION", invitation.trim());
            shell.run("consign join --data dave --name dave --key-file store.key INVITATION");
            shell.run("consign node --data dave");
        } else if line.contains("validator vouch") {
            shell.everywhere(DATA, "bob");
            let id = until("the new node to ask", || {
                let roster = shell.json("consign validator list --data bob");
                let dave = roster.as_array().unwrap().iter().find(|v| v["name"] == "dave")?;
                Some(dave["id"].as_str().unwrap().to_owned())
            });
            shell.mean("DAVE", &id);
            shell.run(line);
            for (host, others) in
                [("alice", ["bob", "dave"]), ("bob", ["alice", "dave"]), ("dave", ["alice", "bob"])]
            {
                until(&format!("{host} to meet {others:?}"), || {
                    let roster = shell.json(&format!("consign validator list --data {host}"));
                    let up = |name: &&str| {
                        let mut all = roster.as_array().unwrap().iter();
                        all.any(|v| v["name"] == **name && v["member"] == true && v["connected"] == true)
                    };
                    others.iter().all(up).then_some(())
                });
            }
        } else if line.contains("key reshare") {
            for host in ["alice", "bob"] {
                shell.refused(line, "approv");
                let waiting = shell.json(&format!("consign approve --data {host}"));
                let id = waiting[0]["id"].as_str().unwrap_or_else(|| panic!("{host}: {waiting}")).to_owned();
                shell.everywhere(DATA, host);
                for line in section.lines.iter().filter(|line| line.contains("consign approve")) {
                    shell.everywhere("REQUEST", &id);
                    shell.run(line);
                }
                shell.everywhere(DATA, "alice");
            }
            shell.run(line);
        } else if line.contains("charter sign") {
            shell.everywhere(DATA, "bob");
            let id = until("the draft to come", || {
                let charter = shell.json("consign charter show --data bob");
                charter["proposed"][0]["id"].as_str().map(str::to_owned)
            });
            shell.mean("CHARTER", &id);
            shell.run(line);
        } else if !line.contains("consign approve") {
            shell.run(line);
        }
    }
    let key = shell.json("consign key show --data dave pay");
    assert_eq!((&key["epoch"], &key["share"]), (&1.into(), &true.into()));
}

/// A node of its own, whose store is on a server.
fn stand_by(section: &Section) {
    let mut shell = Shell::new();
    let server = Server::start(&shell.path(""), &[]);
    let url = server.url("alice");
    shell.run("openssl rand -hex 32 > store.key; chmod 600 store.key");
    shell.run(&format!("consign init --data first --name alice --key-file store.key --store '{url}'"));
    shell.run("consign node --data first");
    shell.everywhere(DATA, "second");
    for line in &section.lines {
        shell.mean("STORE", &format!("'{url}'"));
        if line.contains("consign node") {
            shell.start_standby("second", line);
        } else {
            shell.run(line);
        }
    }
    shell.stop("first");
    until("the second to take over", || {
        (shell.code("consign validator list --data second") == 0).then_some(())
    });
    shell.stop("second");
}
