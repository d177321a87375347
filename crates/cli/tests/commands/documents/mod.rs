//! Whatever the documents and `--help` show as a command is run here, so that it goes on working. A command that is new
//! in a document fails the test of that document until it is told how to run it.
//!
//! What differs from what a person types: keys are of the insecure level of tests, nodes listen on free ports, and words
//! like `INVITATION` are replaced by what a person would put there.

mod helps;
mod operations;
mod policy;
mod readme;
mod shell;

use std::path::{Path, PathBuf};

/// The folder of the whole project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a document tells to type under one heading.
struct Section {
    title: String,
    lines: Vec<String>,
}

/// The sections of a document that show commands, in order: the blocks marked `sh`, lines that go on joined, comments
/// left out.
fn sections(document: &str) -> Vec<Section> {
    let text = std::fs::read_to_string(project().join(document)).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    let mut title = String::new();
    let (mut inside, mut open) = (None, String::new());
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = inside.is_none().then(|| language.to_owned());
            continue;
        }
        match inside.as_deref() {
            None => {
                if let Some(heading) = line.strip_prefix('#') {
                    heading.trim_start_matches('#').trim().clone_into(&mut title);
                }
            }
            Some("sh") => {
                open.push_str(line.trim_start());
                if open.ends_with('\\') {
                    open.pop();
                    continue;
                }
                let command = without_comment(&std::mem::take(&mut open));
                if command.is_empty() {
                    continue;
                }
                if sections.last().is_none_or(|section| section.title != title) {
                    sections.push(Section { title: title.clone(), lines: Vec::new() });
                }
                sections.last_mut().unwrap().lines.push(command);
            }
            Some(_) => {}
        }
    }
    assert!(inside.is_none() && open.is_empty(), "{document}: a block is not closed");
    sections
}

/// A command without the remark behind it, which two spaces set apart.
fn without_comment(line: &str) -> String {
    let end = if line.starts_with('#') { 0 } else { line.find("  #").unwrap_or(line.len()) };
    line.get(..end).unwrap().trim().to_owned()
}

/// Documents whose commands are run by the tests here.
const RUN: [&str; 3] = ["README.md", "docs/operations.md", "docs/policy.md"];
/// The others: for people who change Consign, of which continuous integration runs its part; examples in other
/// languages, which have a test of their own (`examples.rs`); containers and systemd, which no test can start.
const NOT_RUN: [&str; 5] =
    ["CONTRIBUTING.md", "docs/mutants.md", "docs/trials.md", "examples/README.md", "packaging/README.md"];

#[test]
fn no_document_shows_commands_that_nobody_runs() {
    let mut documents = Vec::new();
    let mut folders = ["", "docs", "examples", "packaging"].map(|folder| project().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.ends_with("docs/spec") {
                folders.push(entry.clone());
            }
            if entry.extension().is_some_and(|extension| extension == "md") {
                documents.push(entry.strip_prefix(project()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let shows = |document: &&String| !sections(document).is_empty();
    let mut shown: Vec<&str> = documents.iter().filter(shows).map(String::as_str).collect();
    let mut known = [&RUN[..], &NOT_RUN[..]].concat();
    shown.sort_unstable();
    known.sort_unstable();
    assert_eq!(shown, known);
}

#[test]
fn commands_are_found_in_a_document() {
    assert_eq!(without_comment("consign init   # a remark"), "consign init");
    assert_eq!(without_comment("# only a remark"), "");
    let found = sections("README.md");
    assert!(found.iter().any(|section| section.lines.iter().any(|line| line == "consign node --data alice")));
}
