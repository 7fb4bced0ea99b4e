//! Log lines: one subscriber for the process, on stderr, whose level can change while it runs.

use std::{
    io::{IsTerminal, stderr},
    sync::OnceLock,
};

use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, LogLevel};

/// The subscriber belongs to the whole process, and so does the handle of its filter.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Logging is set up already, by an earlier call or by somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("logging is set up already")]
pub struct AlreadySetUp;

/// Sets logging up. Once per process.
///
/// # Errors
///
/// When it is not the first time.
pub fn set_up(settings: &Log) -> Result<(), AlreadySetUp> {
    let (filter, handle) = reload::Layer::new(filter(&settings.level));
    let lines = fmt::layer().with_writer(stderr);
    let lines = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| AlreadySetUp)?;
    FILTER.set(handle).map_err(|_| AlreadySetUp)
}

/// Changes what is logged from now on. Does nothing where logging is not set up, as in tests.
pub fn set_level(level: &LogLevel) {
    if let Some(handle) = FILTER.get() {
        // The subscriber lives as long as the process, so the handle cannot be orphaned.
        let _ = handle.reload(filter(level));
    }
}

/// Without the spans and patterns of the bigger filter, which would bring regular expressions along.
fn filter(level: &LogLevel) -> Targets {
    level.as_str().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Generated, Source};

    #[test]
    fn every_level_of_the_configuration_is_one_of_the_filter() {
        for level in ["off", "warn", "info,tidegate::session=debug,hyper=error"] {
            let text = format!("development = true\nlog.level = {level:?}");
            let generated = Generated::new();
            let config = crate::config::Config::from_source(&Source::from_text(text), &generated);
            let level = config.unwrap().log.level;
            assert!(level.as_str().parse::<Targets>().is_ok(), "{level:?}");
        }
    }
}
