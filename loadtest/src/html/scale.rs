//! Where values stand on an axis, and how they are written beside it.

/// What values are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Bytes,
    Count,
    Milliseconds,
    PerSecond,
    Percent,
}

/// From values to heights, 0 at the bottom and 1 at the top.
#[derive(Debug)]
pub(super) struct Scale {
    unit: Unit,
    low: f64,
    high: f64,
    step: f64,
    is_logarithmic: bool,
}

/// Steps between the lines of an axis, at most.
const STEPS_MAX: f64 = 4.0;

impl Unit {
    /// A value in words.
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Bytes if 1_073_741_824.0 <= value => {
                format!("{} GiB", short(value / 1_073_741_824.0))
            }
            Self::Bytes if 1_048_576.0 <= value => format!("{} MiB", short(value / 1_048_576.0)),
            Self::Bytes => format!("{} KiB", short(value / 1_024.0)),
            Self::Milliseconds if 1_000.0 <= value => format!("{} s", short(value / 1_000.0)),
            Self::Milliseconds if value < 1.0 && 0.0 < value => {
                format!("{} us", short(value * 1_000.0))
            }
            Self::Milliseconds => format!("{} ms", short(value)),
            Self::Percent => format!("{} %", short(value)),
            Self::Count | Self::PerSecond => thousands(value),
        }
    }

    /// Behind the title of a chart.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "resident",
            Self::Count => "",
            Self::Milliseconds => "log scale",
            Self::PerSecond => "per second",
            Self::Percent => "of one core",
        }
    }
}

impl Scale {
    /// One that has room for all of the values.
    pub(super) fn new(unit: Unit, values: impl Iterator<Item = f64> + Clone) -> Self {
        let high = values.clone().fold(0.0, f64::max);
        if unit == Unit::Milliseconds {
            let least = values.filter(|value| 0.0 < *value).fold(f64::MAX, f64::min);
            return Self::logarithmic(unit, least.min(1.0), high.max(1.0));
        }
        let base = match unit {
            Unit::Bytes if 1_073_741_824.0 <= high => 1_073_741_824.0,
            Unit::Bytes if 1_048_576.0 <= high => 1_048_576.0,
            Unit::Bytes => 1_024.0,
            _ => 1.0,
        };
        let step = base * nice((high / base).max(1e-3) / STEPS_MAX);
        Self {
            unit,
            low: 0.0,
            high: step * (high / step).ceil().max(1.0),
            step,
            is_logarithmic: false,
        }
    }

    fn logarithmic(unit: Unit, low: f64, high: f64) -> Self {
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        Self {
            unit,
            low,
            high: high.max(low + 1.0),
            step: 1.0,
            is_logarithmic: true,
        }
    }

    /// Where a value stands.
    pub(super) fn height(&self, value: f64) -> f64 {
        let value = if self.is_logarithmic {
            value.max(1e-9).log10()
        } else {
            value
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The lines of the axis: how high each is, and what stands beside it.
    pub(super) fn lines(&self) -> Vec<(f64, String)> {
        let count = ((self.high - self.low) / self.step).round() as u32;
        let line = |number: u32| {
            let at = self.low + f64::from(number) * self.step;
            let value = if self.is_logarithmic {
                10_f64.powf(at)
            } else {
                at
            };
            (self.height(value), self.unit.text(value))
        };
        (0..=count).map(line).collect()
    }
}

/// The next greater one of 1, 2 and 5, with any number of zeros.
pub(super) fn nice(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.log10().floor());
    let lead = value / magnitude;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|it| lead <= *it + 1e-9);
    magnitude * nice.unwrap_or(10.0)
}

/// Three digits that count.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn thousands(value: f64) -> String {
    match value.abs() {
        10.0.. => crate::report::thousands(value),
        _ => short(value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_written_shortly() {
        for (unit, value, text) in [
            (Unit::Milliseconds, 0.05, "50 us"),
            (Unit::Milliseconds, 12.345, "12.3 ms"),
            (Unit::Milliseconds, 2_500.0, "2.5 s"),
            (Unit::Bytes, 3.0 * 1_048_576.0, "3 MiB"),
            (Unit::Bytes, 512.0, "0.5 KiB"),
            (Unit::PerSecond, 1_234_567.0, "1,234,567"),
            (Unit::PerSecond, 0.5, "0.5"),
            (Unit::Percent, 100.0, "100 %"),
        ] {
            assert_eq!(unit.text(value), text);
        }
    }

    proptest! {
        #[test]
        fn every_value_has_room_and_there_are_few_lines(
            values in prop::collection::vec(0.0..1e9_f64, 0..20),
        ) {
            for unit in [Unit::Bytes, Unit::Count, Unit::Milliseconds, Unit::Percent] {
                let scale = Scale::new(unit, values.iter().copied());
                let lines = scale.lines();
                prop_assert!((2..=20).contains(&lines.len()), "{lines:?}");
                prop_assert!(lines.is_sorted_by(|one, next| one.0 < next.0));
                let highest = values.iter().copied().fold(0.0, f64::max);
                prop_assert!(scale.height(highest) <= 1.0 + 1e-9);
                if unit != Unit::Milliseconds && 1.0 < highest {
                    prop_assert!(0.4 < scale.height(highest), "{scale:?}");
                }
            }
        }
    }
}
