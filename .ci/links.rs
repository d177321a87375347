//! Checks that documentation hangs together, run by `.ci/run` from the root of the repository:
//!
//! * every `docs/….md` (or `spec/….md`, `params.md`, …) named in code exists, and so does the section named with it;
//! * every attack named in code (`A-09`) is a row of `docs/spec/attacks.md`;
//! * every relative link in Markdown leads to a file, and every anchor to a heading.
//!
//! One file, no dependencies: `rustc .ci/links.rs -o target/links && target/links`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// What was looked at, and what was wrong with it.
#[derive(Default)]
struct Report {
    citations: usize,
    links: usize,
    errors: Vec<String>,
}

fn main() -> ExitCode {
    let mut files = Vec::new();
    collect(Path::new("."), &mut files);
    let mut report = Report::default();
    for path in &files {
        let Ok(text) = fs::read_to_string(path) else { continue };
        match path.extension().and_then(|e| e.to_str()) {
            Some("rs" | "toml") if path.starts_with("crates") || path.starts_with("fuzz") => {
                citations(path, &text, &mut report);
            }
            Some("md") => links(path, &text, &mut report),
            _ => {}
        }
    }
    if report.citations == 0 || report.links == 0 {
        report.errors.push("nothing was checked: run this from the root of the repository".to_owned());
    }
    for error in &report.errors {
        eprintln!("{error}");
    }
    println!("{} citations, {} links, {} broken", report.citations, report.links, report.errors.len());
    if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let skipped = path.file_name().is_some_and(|name| SKIPPED.iter().any(|s| name == *s));
        if path.is_dir() && !skipped {
            collect(&path, files);
        } else if path.is_file() {
            files.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
        }
    }
}

/// Names of documents in code, each with the section that follows it, and names of attacks.
fn citations(path: &Path, text: &str, report: &mut Report) {
    for (number, line) in (1..).zip(text.lines()) {
        for (at, _) in line.match_indices(".md") {
            let rest = &line[at + 3..];
            let before = &line[..at];
            let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)));
            let name = format!("{}.md", &before[start.map_or(0, |i| i + 1)..]);
            let Some(document) = find(&name) else {
                report.errors.push(format!("{}:{number}: no document {name}", path.display()));
                continue;
            };
            report.citations += 1;
            for section in sections(rest) {
                if !headings(&document).iter().any(|heading| begins_with_section(heading, &section)) {
                    report.errors.push(format!("{}:{number}: {name} has no section {section}", path.display()));
                }
            }
        }
        for (at, _) in line.match_indices("A-") {
            let is_word = at == 0 || !line.as_bytes()[at - 1].is_ascii_alphanumeric();
            let id: String = line[at + 2..].chars().take_while(char::is_ascii_alphanumeric).collect();
            if is_word && is_attack(&id) {
                report.citations += 1;
                let row = format!("| A-{id} |");
                if !fs::read_to_string("docs/spec/attacks.md").unwrap_or_default().contains(&row) {
                    report.errors.push(format!("{}:{number}: no attack A-{id}", path.display()));
                }
            }
        }
    }
}

/// Two digits, or a digit and a capital letter, in this order.
fn is_attack(id: &str) -> bool {
    matches!(id.as_bytes(), [b'0'..=b'9', b'0'..=b'9' | b'A'..=b'H'])
}

/// A document by the name code uses: from the root, from `docs`, or of the specification.
fn find(name: &str) -> Option<PathBuf> {
    ["", "docs/", "docs/spec/"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// The section numbers right after a name: `, 1.5`, `, section 1.5`, ` 1.6`, `, 4.2 to 4.4`.
fn sections(rest: &str) -> Vec<String> {
    let mut rest = rest.trim_start_matches(['`', ',', ' ', ')']);
    rest = rest.strip_prefix("section ").unwrap_or(rest);
    let mut found = Vec::new();
    loop {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let section = rest[..length].trim_end_matches('.');
        if !section.contains('.') {
            return found;
        }
        found.push(section.to_owned());
        rest = &rest[length..];
        let Some(next) = [" to ", " and ", ", "].iter().find_map(|word| rest.strip_prefix(word)) else {
            return found;
        };
        rest = next;
    }
}

fn headings(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && line.starts_with('#') {
            found.push(line.trim_start_matches('#').trim().to_owned());
        }
    }
    found
}

fn begins_with_section(heading: &str, section: &str) -> bool {
    heading.strip_prefix(section).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
}

/// Inline links and images `](target)`, and `src="…"` of HTML.
fn links(path: &Path, text: &str, report: &mut Report) {
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"')] {
            for (at, _) in line.match_indices(opening) {
                let target = line[at + opening.len()..].split(closing).next().unwrap_or_default();
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                report.links += 1;
                if let Err(why) = resolve(path, target) {
                    report.errors.push(format!("{}:{number}: {target}: {why}", path.display()));
                }
            }
        }
    }
}

fn resolve(from: &Path, target: &str) -> Result<(), &'static str> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let folder = from.parent().unwrap_or(Path::new(""));
    let path = if file.is_empty() { from.to_owned() } else { normal(&folder.join(file)) };
    if !path.exists() {
        return Err("no such file");
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let anchors: BTreeSet<_> = headings(&path).iter().map(|heading| slug(heading)).collect();
    if anchors.contains(anchor) { Ok(()) } else { Err("no such heading") }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts.into_iter().collect()
}

/// The anchor of a heading, as code hosts make it.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
