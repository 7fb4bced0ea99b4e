//! A report as one page: figures, tables and charts, which needs nothing but itself, can be printed, and is light or dark
//! as the reader likes it.

mod chart;
mod charts;
mod scale;

use std::fmt::Write as _;

use crate::baseline::{Comparison, Verdict};
use crate::report::Table;
use crate::timeline::Point;

const STYLE: &str = include_str!("html/style.css");

/// What a page tells.
#[derive(Debug)]
pub struct Page<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The command line.
    pub command: &'a str,
    /// Why the figures are not the server's, if they are not.
    pub objection: Option<&'a str>,
    /// Figures that matter most.
    pub tiles: &'a [(String, String)],
    /// All figures that are told in the terminal.
    pub table: &'a Table,
    /// The run from second to second.
    pub points: &'a [Point],
    /// An earlier run.
    pub earlier: Option<Earlier<'a>>,
}

/// An earlier run that this one is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// What it is called.
    pub name: &'a str,
    /// It from second to second.
    pub points: &'a [Point],
    /// Its figures beside those of this run.
    pub comparisons: &'a [Comparison],
    /// What was asked for otherwise than now.
    pub notes: &'a [String],
}

impl Page<'_> {
    /// The page as text.
    #[must_use]
    pub fn render(&self) -> String {
        let scenario = escape(self.scenario);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>loadtest {scenario}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        );
        self.head(&mut out);
        self.tiles(&mut out);
        if let Some(earlier) = self.earlier {
            compared(&mut out, earlier);
        }
        let earlier = self.earlier.map_or(&[][..], |earlier| earlier.points);
        out.push_str("<section class=\"charts\">\n");
        for chart in charts::all(self.points, earlier) {
            chart.render(&mut out);
        }
        out.push_str("</section>\n");
        self.figures(&mut out);
        out.push_str("</body>\n</html>\n");
        out
    }

    fn head(&self, out: &mut String) {
        let scenario = escape(self.scenario);
        let verdict = match self.objection {
            None => "<span class=\"badge good\">valid</span>".to_owned(),
            Some(reason) => format!(
                "<span class=\"badge bad\">not valid</span></h1>\n<p class=\"objection\">{}</p>",
                escape(reason)
            ),
        };
        let close = if self.objection.is_none() {
            "</h1>"
        } else {
            ""
        };
        // Writing to a string does not fail, here and below.
        let _ = write!(
            out,
            "<header>\n<h1>{scenario} {verdict}{close}\n<p class=\"command\">{}</p>\n</header>\n",
            escape(self.command)
        );
    }

    fn tiles(&self, out: &mut String) {
        out.push_str("<section class=\"tiles\">\n");
        for (name, value) in self.tiles {
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(
                out,
                "<div class=\"tile\"><b>{value}</b><span>{name}</span></div>"
            );
        }
        out.push_str("</section>\n");
    }

    fn figures(&self, out: &mut String) {
        out.push_str("<section>\n<h2>Figures</h2>\n<table class=\"figures\">\n");
        for (name, value) in self.table.rows() {
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
        }
        out.push_str("</table>\n</section>\n");
    }
}

fn compared(out: &mut String, earlier: Earlier<'_>) {
    let name = escape(earlier.name);
    let _ = write!(out, "<section>\n<h2>Compared with {name}</h2>\n");
    for note in earlier.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out.push_str(
        "<table class=\"compared\">\n<tr><th>figure</th><th>earlier</th><th>now</th><th>ratio</th><th></th></tr>\n",
    );
    for comparison in earlier.comparisons {
        let class = match comparison.verdict {
            Verdict::Better => "good",
            Verdict::Worse => "bad",
            Verdict::Same => "same",
        };
        let _ = writeln!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td></tr>",
            escape(&comparison.name()),
            escape(&comparison.earlier_text()),
            escape(&comparison.now_text()),
            comparison.ratio_text(),
            comparison.verdict.word()
        );
    }
    out.push_str("</table>\n</section>\n");
}

/// A text as it stands within an element or an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Those no page can hold.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests;
