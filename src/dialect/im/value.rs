//! Values in packets of the `im` dialect, whose clients write numbers as numbers or as texts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    dialect::json::{self, Json, Object},
    id::Person,
};

/// Up to here every whole number has a double of its own, and clients in JavaScript have no others.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// A string, decoded, or the text of a number. None of a number that no double is near to: the next
/// reader may refuse the whole packet for it.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = json::id(value)?;
    let is_string = value.get().starts_with('"');
    (is_string || is_finite(&text)).then_some(text)
}

/// A whole number, however it is written, or a string of decimal digits, with a sign if it is negative.
pub(super) fn integer(value: &RawValue) -> Option<i64> {
    let text = json::id(value)?;
    if value.get().starts_with('"') {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
        return is_decimal.then(|| text.parse().ok())?;
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
    is_whole.then_some(number as i64)
}

/// A number, or a string that is one. May be infinite, or none at all (`"NaN"`): the caller has a range.
pub(super) fn number(value: &RawValue) -> Option<f64> {
    json::id(value)?.parse().ok()
}

/// A user.
pub(super) fn person(value: &RawValue) -> Option<Person> {
    Person::new(u64::try_from(integer(value)?).ok()?)
}

/// The fields of an object.
pub(super) fn object(value: &RawValue) -> Option<Object<'_>> {
    match json::parse(value.get())? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Other => None,
    }
}

/// The value of a key that stands there and is not `null`; of several the last, as in JavaScript.
pub(super) fn field<'a>(object: &Object<'a>, key: &str) -> Option<&'a RawValue> {
    object.last(key).filter(|value| value.get() != "null")
}

fn is_finite(number: &str) -> bool {
    number.parse().is_ok_and(f64::is_finite)
}
