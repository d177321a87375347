//! The page on policies: at alice in `./a`, bob in `./b` and carol in `./c`.

use crate::common::until;

use super::sections;
use super::shell::Shell;

#[test]
fn everything_on_the_page_of_policies_works() {
    let mut shell = Shell::new();
    shell.set("CONSIGN_PASSPHRASE", "correct horse battery");
    shell.run("consign init --data ./a --name alice");
    shell.run("consign node --data ./a");
    for (folder, name) in [("./b", "bert"), ("./c", "carol")] {
        shell.join("./a", folder, name);
        shell.run(&format!("consign node --data {folder}"));
    }
    ["./a", "./b", "./c"].iter().for_each(|folder| shell.meets(folder, 3));
    shell.run("consign key create --data ./a --name release --threshold 3");
    let client = shell.json("consign client new shop.key")["client"].as_str().unwrap().to_owned();
    for section in sections("docs/policy.md") {
        match section.title.as_str() {
            "Policy" => {
                for line in &section.lines {
                    if line.contains("--key vault") {
                        shell.refused(line, "may not");
                    } else {
                        shell.mean("3b6a…da29", &client);
                        shell.run(line);
                    }
                }
            }
            "Approvals" => approvals(&mut shell, &section.lines, &client),
            other => panic!("what is to be done with the commands of `{other}`?"),
        }
    }
}

fn approvals(shell: &mut Shell, lines: &[String], client: &str) {
    for (folder, more) in [("./a", ""), ("./b", "--approve"), ("./c", "")] {
        let shop = if folder == "./a" { "shop".to_owned() } else { format!("{client} --name shop") };
        shell.run(&format!(
            "consign policy allow --data {folder} {shop} --key release --ceremony sign {more}"
        ));
    }
    for (folder, rules) in [("./a", 2), ("./b", 1), ("./c", 1)] {
        let line = format!("clients 1, rules {rules}");
        until("the policies to be in force", || shell.log(folder).contains(&line).then_some(()));
    }
    // Somebody else has asked for the key.
    shell.run("consign key trust --data ./a --client shop.key release");
    let mut asked = 0;
    for line in lines {
        if line.contains("key sign") {
            asked += 1;
            if asked == 1 {
                shell.refused(line, "waits for approval at bert");
                let waiting = shell.json("consign approve --data ./b");
                shell.mean("3f9a", waiting[0]["id"].as_str().unwrap());
                continue;
            }
        }
        shell.run(line);
    }
    assert_eq!(asked, 2);
}
