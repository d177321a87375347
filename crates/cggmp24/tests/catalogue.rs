//! Every attack of `docs/spec/attacks.md` has a test, or a reason why it has none; and the table in `SECURITY.md` is
//! made from what the tests are called. `UPDATE_SECURITY=1 cargo test --test all catalogue` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the modules are, from the top of the repository.
const LIES: &str = "crates/cggmp24/tests/lies";
const BEGIN: &str = "<!-- The table of attacks: made by crates/cggmp24/tests/catalogue.rs -->\n";
const END: &str = "<!-- The end of the table of attacks -->\n";

fn read(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The attacks of the specification, in its order, with their description.
fn attacks() -> Vec<(String, String)> {
    let text = read("docs/spec/attacks.md");
    let rows = text.lines().filter(|line| line.starts_with("| A-"));
    let attack = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, attack, _] = cells.try_into().expect("three cells");
        (id.to_owned(), attack.to_owned())
    };
    rows.map(attack).collect()
}

/// A line of `catalogue.txt`.
struct Entry {
    verdict: String,
    source: String,
    elsewhere: Vec<(String, String)>,
    left_out: Option<String>,
}

fn catalogue() -> BTreeMap<String, Entry> {
    let text = read(&format!("{LIES}/catalogue.txt"));
    let mut entries = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [id, verdict, source, tests] = cells.try_into().expect("four cells");
        let left_out = tests.strip_prefix('-').map(|reason| reason.trim().to_owned());
        let list = if left_out.is_some() { "" } else { tests };
        let test = |test: &str| {
            let (path, name) = test.trim().split_once("::").unwrap_or_else(|| panic!("{id}: {test}"));
            (path.to_owned(), name.to_owned())
        };
        let elsewhere = list.split(';').filter(|test| !test.trim().is_empty()).map(test).collect();
        assert!(matches!(verdict, "C" | "L" | "U" | "R"), "{id}: verdict {verdict}");
        assert!(!source.is_empty() && left_out.as_deref() != Some(""), "{id}: no source, or no reason");
        let entry = Entry { verdict: verdict.to_owned(), source: source.to_owned(), elsewhere, left_out };
        assert!(entries.insert(id.to_owned(), entry).is_none(), "{id} twice");
    }
    entries
}

/// All source files of the tests of attacks, relative to the top of the repository.
fn files(folder: &str) -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(top.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let relative = |path: PathBuf| {
        let inside = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        match path.extension() {
            Some(extension) if extension == "rs" => vec![inside],
            Some(_) => Vec::new(),
            None => files(&inside),
        }
    };
    paths.into_iter().flat_map(relative).collect()
}

/// `A-0B` and `A-5C` for a module called `a0b_a5c_something`.
fn ids(module: &str) -> Vec<String> {
    let is_id = |part: &&str| {
        let rest = part.strip_prefix('a').unwrap_or_default();
        rest.len() == 2 && rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let parts = module.split('_').take_while(is_id);
    parts.map(|part| format!("A-{}", part.get(1..).unwrap_or_default().to_uppercase())).collect()
}

/// A module about attacks: what it is called, with its file, and the attacks that it is about.
struct Module {
    name: String,
    file: String,
    ids: Vec<String>,
    text: String,
}

/// The modules about attacks, at the top level of their files.
fn modules() -> Vec<Module> {
    let mut found = Vec::new();
    for file in files(LIES) {
        let source = read(&file);
        for part in source.split("\nmod ").skip(1) {
            let Some((name, rest)) = part.split_once(" {\n") else { continue };
            let ids = ids(name);
            if ids.is_empty() || name.contains(char::is_whitespace) {
                continue;
            }
            let text = rest.split("\n}\n").next().unwrap_or_default().to_owned();
            found.push(Module { name: name.to_owned(), file: file.clone(), ids, text });
        }
    }
    found
}

#[test]
fn every_module_convicts_and_does_not_frame() {
    let modules = modules();
    assert!(modules.len() > 50, "only {} modules were found", modules.len());
    for Module { name, file, text, .. } in &modules {
        assert!(text.contains("fn convicts"), "{file}: {name} has no convicts()");
        assert!(text.contains("fn does_not_frame"), "{file}: {name} has no does_not_frame()");
    }
}

#[test]
fn every_attack_is_tested_or_left_out_with_a_reason() {
    let attacks: BTreeSet<_> = attacks().into_iter().map(|(id, _)| id).collect();
    let catalogue = catalogue();
    let listed: BTreeSet<_> = catalogue.keys().cloned().collect();
    assert_eq!(attacks, listed, "the specification and catalogue.txt list different attacks");
    let tested: BTreeSet<_> = modules().into_iter().flat_map(|module| module.ids).collect();
    assert!(tested.is_subset(&attacks), "unknown attacks: {:?}", tested.difference(&attacks));
    for (id, entry) in &catalogue {
        let is_tested = tested.contains(id) || !entry.elsewhere.is_empty();
        assert!(is_tested != entry.left_out.is_some(), "{id} is neither tested nor left out, or both");
        for (path, name) in &entry.elsewhere {
            assert!(read(path).contains(&format!("fn {name}(")), "{id}: {path} has no {name}");
        }
    }
}

/// The table as it must be.
fn table() -> String {
    let (catalogue, modules) = (catalogue(), modules());
    let mut table = String::from(
        "C: the culprit is convicted by evidence. L: named, without evidence. U: ends, and names nobody. R: refused before\n\
         anything is sent, or not possible to begin with.\n\n\
         | attack | source | test | verdict |\n|---|---|---|---|\n",
    );
    let mut left_out = String::new();
    for (id, attack) in attacks() {
        let Some(entry) = catalogue.get(&id) else { continue };
        if let Some(reason) = &entry.left_out {
            writeln!(left_out, "* {id}, {attack}: {reason}.").expect("a string");
            continue;
        }
        let own = modules.iter().filter(|module| module.ids.contains(&id));
        let own = own.map(|m| (m.file.as_str(), m.name.as_str()));
        let elsewhere = entry.elsewhere.iter().map(|(path, name)| (path.as_str(), name.as_str()));
        let tests: Vec<_> = own.chain(elsewhere).map(|(path, name)| format!("[`{name}`]({path})")).collect();
        let (source, verdict) = (&entry.source, &entry.verdict);
        writeln!(table, "| {id} {attack} | {source} | {} | {verdict} |", tests.join(", ")).expect("a string");
    }
    format!("{table}\nLeft out:\n\n{left_out}")
}

#[test]
fn the_table_in_security_md_is_up_to_date() {
    let security = read("SECURITY.md");
    let (before, rest) = security.split_once(BEGIN).expect("the begin of the table is marked");
    let (written, after) = rest.split_once(END).expect("the end of the table is marked");
    let table = format!("\n{}\n", table());
    if std::env::var_os("UPDATE_SECURITY").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../SECURITY.md");
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("SECURITY.md can be written");
    } else {
        assert!(
            written == table,
            "stale: UPDATE_SECURITY=1 cargo test -p consign-cggmp24 --test all catalogue"
        );
    }
}
