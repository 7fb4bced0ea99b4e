//! What the rules look for in texts of any kind.

pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Names that begin with the prefix of our metrics.
pub(crate) fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let of = |beginning| named(text, beginning, |c| c.is_ascii_alphanumeric() || c == '_');
    of("tidegate_").chain(of("loadtest_"))
}

/// Everything in `text` that begins with `beginning` and goes on as long as `goes_on`.
pub(crate) fn named<'a>(
    text: &'a str,
    beginning: &'a str,
    goes_on: impl Fn(char) -> bool + Copy,
) -> impl Iterator<Item = &'a str> {
    text.match_indices(beginning)
        .filter(move |(at, _)| !text[..*at].ends_with(goes_on))
        .map(move |(at, _)| {
            let rest = &text[at..];
            let end = rest.find(|c| !goes_on(c));
            &rest[..end.unwrap_or(rest.len())]
        })
}

/// Targets of links to files.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| {
        let end = rest.find([')', ' ', '\n'])?;
        rest[..end].split('#').next()
    });
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}
