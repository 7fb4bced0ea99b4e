//! Times as ISO 8601 texts, as JavaScript writes them (`Date.prototype.toISOString`) and reads them.

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Furthest time from the Unix epoch that JavaScript knows, in milliseconds.
const TIME_MS_MAX: i64 = 8_640_000_000_000_000;
/// Days from the first of March of the year 0 to the Unix epoch.
const EPOCH_DAYS: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;
/// Days before each month of a year that begins with March.
const MONTH_DAYS: [i64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// A time in milliseconds since the Unix epoch as `2026-11-29T07:18:58.123Z`. Years after 9999 have a
/// sign and six digits; times that JavaScript does not know become the last one that it does.
pub fn format(time_ms: u64) -> String {
    let time_ms = i64::try_from(time_ms).map_or(TIME_MS_MAX, |time_ms| time_ms.min(TIME_MS_MAX));
    let (days, rest) = (time_ms / DAY_MS, time_ms % DAY_MS);
    let (year, month, day) = date(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, ms) = (rest / 1000 % 60, rest % 1000);
    let year = match year {
        ..=9999 => format!("{year:04}"),
        _ => format!("+{year:06}"),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Reads `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM` with or without seconds and a fraction of them, which ends
/// with `Z`, an offset such as `+08:00`, or nothing, which is UTC too. Years may have a sign and six
/// digits. In milliseconds since the Unix epoch, less than 0 for what was before; a finer fraction is cut
/// off.
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let year = match text.as_bytes().first()? {
        b'+' => rest.skip(b'+')?.number(6)?,
        // There is no year -0.
        b'-' => Some(-rest.skip(b'-')?.number(6)?).filter(|year| *year != 0)?,
        _ => rest.number(4)?,
    };
    let month = rest.skip(b'-')?.number(2)?;
    let day = rest.skip(b'-')?.number(2)?;
    let days = days(year, month, day)?;
    let mut time_ms = 0;
    if !rest.is_empty() {
        time_ms = rest.skip(b'T')?.time()? - rest.offset()?;
    }
    let time_ms = days * DAY_MS + time_ms;
    (rest.is_empty() && time_ms.abs() <= TIME_MS_MAX).then_some(time_ms)
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn skip(&mut self, byte: u8) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(self)
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |number, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            Some(number * 10 + i64::from(digit))
        })
    }

    /// The time of a day. That of its end is one, too.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        let minute = self.skip(b':')?.number(2)?;
        let (mut second, mut ms) = (0, 0);
        if self.skip(b':').is_some() {
            second = self.number(2)?;
            if self.skip(b'.').is_some() {
                ms = self.fraction()?;
            }
        }
        let time_ms = hour * 3_600_000 + minute * 60_000 + second * 1000 + ms;
        (minute < 60 && second < 60 && time_ms <= DAY_MS).then_some(time_ms)
    }

    fn fraction(&mut self) -> Option<i64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let count = digits.count();
        let (fraction, rest) = self.0.split_at_checked(count.max(1))?;
        self.0 = rest;
        let digit = |index| fraction.get(index).copied().unwrap_or(b'0');
        Rest(&[digit(0), digit(1), digit(2)]).number(3)
    }

    /// How far the clocks of a place are ahead.
    fn offset(&mut self) -> Option<i64> {
        if self.is_empty() || self.skip(b'Z').is_some() {
            return Some(0);
        }
        let sign = match self.skip(b'-') {
            Some(_) => -1,
            None => {
                self.skip(b'+')?;
                1
            }
        };
        let hour = self.number(2)?;
        let minute = self.skip(b':')?.number(2)?;
        (hour < 24 && minute < 60).then_some(sign * (hour * 3_600_000 + minute * 60_000))
    }
}

/// Days since the Unix epoch of a date in the Gregorian calendar, extended to all years. `None`: there is
/// no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    // Years begin with March here, so that the day that comes and goes is the last one.
    let (shifted_year, index) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = MONTH_DAYS[usize::try_from(index).ok()?] + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * ERA_DAYS + day_of_era - EPOCH_DAYS;
    (date(days) == (year, month, day)).then_some(days)
}

/// The date of a day, counted from the Unix epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    // The leap days before it are taken out.
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let index = MONTH_DAYS.partition_point(|before| *before <= day_of_year) - 1;
    let day = day_of_year - MONTH_DAYS[index] + 1;
    let index = index as i64;
    let (month, next_year) = match index {
        ..=9 => (index + 3, 0),
        _ => (index - 9, 1),
    };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_written_as_javascript_writes_it() {
        // new Date(n).toISOString() of Node.js 20.
        for (time_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_628_160_000_000, "2021-08-05T10:40:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (u64::MAX, "+275760-09-13T00:00:00.000Z"),
        ] {
            assert_eq!(format(time_ms), text);
        }
    }

    #[test]
    fn a_date_a_time_and_an_offset_are_read_as_javascript_reads_them() {
        // Date.parse(text) of Node.js 20, with TZ=UTC.
        for (text, time_ms) in [
            ("2021-08-05", 1_628_121_600_000),
            ("2021-08-05T10:40", 1_628_160_000_000),
            ("2021-08-05T10:40Z", 1_628_160_000_000),
            ("2021-08-05T10:40:01", 1_628_160_001_000),
            ("2021-08-05T10:40:01.5Z", 1_628_160_001_500),
            ("2021-08-05T10:40:01.123456Z", 1_628_160_001_123),
            ("2021-08-05T18:40:00+08:00", 1_628_160_000_000),
            ("2021-08-05T05:10:00-05:30", 1_628_160_000_000),
            ("2021-08-05T24:00Z", 1_628_208_000_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0000-01-01", -62_167_219_200_000),
            ("-000001-12-31", -62_167_305_600_000),
            ("+275760-09-13", 8_640_000_000_000_000),
        ] {
            assert_eq!(parse(text), Some(time_ms), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "2021",
            "2021-08",
            "2021-8-5",
            "2021-02-29",
            "1900-02-29",
            "2021-13-01",
            "2021-00-01",
            "2021-01-00",
            "2021-04-31",
            "2021-08-05 10:40",
            "2021-08-05T",
            "2021-08-05T10",
            "2021-08-05T10:60",
            "2021-08-05T10:40:60",
            "2021-08-05T24:00:00.001",
            "2021-08-05T10:40:01.Z",
            "2021-08-05T10:40z",
            "2021-08-05T10:40+0800",
            "2021-08-05T10:40+24:00",
            "2021-08-05Z",
            "2021-08-05T10:40Z ",
            " 2021-08-05",
            "-000000-01-01",
            "+275760-09-13T00:00:00.001Z",
            "+21-08-05",
            "２021-08-05",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_time_is_read_again(time_ms in 0..=TIME_MS_MAX) {
            prop_assert_eq!(parse(&format(time_ms as u64)), Some(time_ms));
        }

        #[test]
        fn later_times_of_four_digit_years_are_greater_texts(
            one in 0..253_402_300_800_000u64,
            other in 0..253_402_300_800_000u64,
        ) {
            prop_assert_eq!(format(one).cmp(&format(other)), one.cmp(&other));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[-+0-9TZ:.]{0,30}") {
            let _ = parse(&text);
        }
    }
}
