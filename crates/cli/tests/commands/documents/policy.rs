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
    // Somebody else has asked for the key.
    until("the policies to be in force", || {
        let trusts = |folder: &str, shell: &mut Shell| {
            shell.code(&format!("consign key trust --data {folder} --client shop.key release")) == 0
        };
        (trusts("./a", shell) && trusts("./b", shell) && trusts("./c", shell)).then_some(())
    });
    let mut asked = 0;
    for line in lines {
        if line.contains("key sign") {
            asked += 1;
            if asked == 1 {
                until("the request to wait", || {
                    let code = shell.code(line);
                    assert_ne!(code, 0, "it was signed without an approval");
                    let waiting = shell.json("consign approve --data ./b");
                    let id = waiting[0]["id"].as_str()?.to_owned();
                    shell.mean("3f9a", &id);
                    Some(())
                });
                continue;
            }
        }
        shell.run(line);
    }
    assert_eq!(asked, 2);
}
