//! What commands print: text for people or JSON for programs on standard output; progress and errors
//! on standard error, so that the output of a command can be piped.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use console::{Style, Term};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// How often a bar is drawn anew while nothing happens, so that one sees that it lives.
const REDRAW: Duration = Duration::from_millis(120);

/// Room for a secret that is printed, in bytes: far more than any takes, for a buffer that grows leaves copies.
const SECRET_BYTES: usize = 16 << 10;

/// Where and how a command prints.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Prints JSON, or text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints `value` as one line of JSON, or else `text`.
    pub(crate) fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.text(&text()) }
    }

    /// As [`show`](Self::show), of a secret: what is made of it here is wiped, and it is written past the buffer of standard
    /// output, which nobody wipes.
    pub(crate) fn show_secret(&self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        let mut line = Zeroizing::new(Vec::with_capacity(SECRET_BYTES));
        if self.json {
            serde_json::to_writer(&mut *line, value).map_err(Failure::from_error)?;
        } else {
            line.extend_from_slice(text.trim_end().as_bytes());
        }
        line.push(b'\n');
        File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(&line)?;
        Ok(())
    }

    /// Prints one line of JSON.
    pub(crate) fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(Failure::from_error)?;
        print(&line)
    }

    /// Prints text for people; nothing if programs read.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(text.trim_end()) }
    }

    /// Says something beside the output, for people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            // Nobody is left to be told that this cannot be told.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Tells how the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(failure, Failure::ReaderGone) {
            return;
        }
        let line = if self.json {
            let mut object = json!({ "error": failure.to_string(), "exit_code": failure.exit_code() });
            if let (Some(problem), Some(object)) = (failure.problem(), object.as_object_mut()) {
                object.insert("problem".to_owned(), json!(problem));
            }
            object.to_string()
        } else {
            format!("{} {failure}", Style::new().for_stderr().red().bold().apply_to("error:"))
        };
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A place for progress bars: standard error if a person looks at it, else nowhere.
    pub(crate) fn bars(&self) -> Bars {
        let visible = !self.json && Term::stderr().is_term();
        Bars { bars: visible.then(MultiProgress::new) }
    }
}

/// Progress bars below each other.
pub(crate) struct Bars {
    bars: Option<MultiProgress>,
}

impl Bars {
    /// A new bar below the others. It is a spinner until it knows its length.
    pub(crate) fn add(&self, what: &str) -> ProgressBar {
        let Some(bars) = &self.bars else { return ProgressBar::hidden() };
        let bar = bars.add(ProgressBar::no_length());
        bar.set_style(spinner());
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(REDRAW);
        bar
    }
}

/// The look of work whose length nobody knows.
fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix:14} {elapsed:>5} {msg}")
        .expect("invariant: the template is valid")
}

/// Sets how far `bar` is, and makes it a bar if it was a spinner.
pub(crate) fn set_progress(bar: &ProgressBar, done: u64, total: u64) {
    if bar.length() != Some(total) {
        bar.set_length(total);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {prefix:14} {elapsed:>5} [{bar:30}] {pos}/{len} {msg}")
                .expect("invariant: the template is valid")
                .progress_chars("=> "),
        );
    }
    bar.set_position(done.min(total));
}

/// Prints to standard output; a closed pipe is [`Failure::ReaderGone`], where `println!` panics.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A bold word on standard output, if a terminal shows it.
pub(crate) fn bold(text: &str) -> String {
    Style::new().bold().apply_to(text).to_string()
}

/// A good word on standard output, if a terminal shows it.
pub(crate) fn green(text: &str) -> String {
    Style::new().green().bold().apply_to(text).to_string()
}

/// Text of others, without what a terminal would take for an order.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Seconds for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Rows below a header, in columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|h| h.len())).max().unwrap_or(0)
    };
    let line = |cells: &[&str]| {
        let padded: Vec<_> =
            cells.iter().enumerate().map(|(i, cell)| format!("{cell:0$}", width(i))).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![bold(&line(&header))];
    for row in rows {
        lines.push(line(&row.each_ref().map(String::as_str)));
    }
    lines.join("\n")
}

/// Names and values below each other.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<_> = rows.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1".to_owned()], ["länger".to_owned(), String::new()]];
        let text = table(["id", "n"], &rows);
        let plain = console::strip_ansi_codes(&text);
        assert_eq!(plain, "id      n\na       1\nlänger");
    }

    #[test]
    fn facts_line_up() {
        assert_eq!(facts(&[("id", "7".to_owned()), ("label", "pay".to_owned())]), "id     7\nlabel  pay");
    }
}
