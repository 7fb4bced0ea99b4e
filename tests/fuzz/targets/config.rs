//! The configuration: whatever is written, it is read or refused with mistakes that name a key, and
//! never with a panic.

#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::config::{Config, File, Generated, Source};

/// Made once, as in a process that reloads.
static GENERATED: LazyLock<Generated> = LazyLock::new(Generated::new);

// Lines that begin with the prefix are the environment, the others the file.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (settings, file): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with("TIDEGATE_"));
    let environment: BTreeMap<_, _> = settings
        .into_iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let source = Source {
        environment,
        file: (!file.is_empty()).then(|| File {
            name: "tidegate.toml".to_owned(),
            text: file.join("\n"),
        }),
    };
    let again = Config::from_source(&source, &GENERATED);
    match (Config::from_source(&source, &GENERATED), again) {
        (Ok(config), Ok(again)) => {
            let changes = config.diff(&again);
            assert!(changes.applied.is_empty(), "{changes:?}");
            assert!(changes.needs_restart.is_empty(), "{changes:?}");
            // Only asked not to panic.
            let _ = config.warnings();
        }
        (Err(error), Err(again)) => {
            assert_eq!(error.to_string(), again.to_string());
            assert!(!error.mistakes().is_empty(), "refused without a mistake");
            for mistake in error.mistakes() {
                assert!(
                    !mistake.key().is_empty(),
                    "a mistake names no key: {mistake}"
                );
                assert!(
                    !mistake.to_string().contains('\n'),
                    "not one line: {mistake:?}"
                );
            }
        }
        _ => panic!("read once, and once refused"),
    }
});
