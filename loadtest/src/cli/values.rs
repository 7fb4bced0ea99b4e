//! The values of options, and what is wrong with those that are none.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::Part;
use crate::key::ApiKey;

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let addresses: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|_| "not HOST:PORT, or the host is unknown".to_owned())?
        .collect();
    // "localhost" often means ::1 first, where there is one source address only.
    let preferred = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    preferred
        .copied()
        .ok_or_else(|| "the host has no address".to_owned())
}

pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("not a whole number above 0".to_owned()),
    }
}

/// More than 1,000 in one call are refused.
pub(super) fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1000) => Ok(count),
        _ => Err("not a whole number from 1 to 1000".to_owned()),
    }
}

pub(super) fn parse_minutes(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=1e4).contains(&minutes) => {
            Ok(Duration::from_secs_f64(60.0 * minutes))
        }
        _ => Err("not between 0 and 10000 minutes".to_owned()),
    }
}

/// One of them has nobody to talk to.
pub(super) fn parse_pairable(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if 1 < count => Ok(count),
        _ => Err("not a whole number above 1".to_owned()),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if 0.0 < rate && rate <= 1e6 => Ok(rate),
        _ => Err("not a number above 0, up to 1000000".to_owned()),
    }
}

pub(super) fn parse_percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("not a number from 0 to 100".to_owned()),
    }
}

/// Without any, nothing durable is pushed.
pub(super) fn parse_durable_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e4).contains(&rate) => Ok(rate),
        _ => Err("not a number from 0 to 10000".to_owned()),
    }
}

pub(super) fn parse_key(text: &str) -> Result<ApiKey, String> {
    ApiKey::new(text).ok_or_else(|| "not what an HTTP header can hold".to_owned())
}

/// Upper limit: every one of them is a slot in a ring, and the sum must fit into the socket buffers.
pub(super) fn parse_outstanding(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=65_536) => Ok(count),
        _ => Err("not a whole number from 1 to 65536".to_owned()),
    }
}

pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=1e6).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0 and 1000000 seconds".to_owned())
    }
}

pub(super) fn parse_header(text: &str) -> Result<String, String> {
    if text.contains(':') && !text.contains(['\r', '\n']) {
        Ok(text.to_owned())
    } else {
        Err("not of the form \"Name: value\"".to_owned())
    }
}

pub(super) fn parse_backend(text: &str) -> Result<(String, String), String> {
    text.split_once(':')
        .map(|(name, secret)| (name.to_owned(), secret.to_owned()))
        .ok_or_else(|| "not of the form NAME:SECRET".to_owned())
}

/// Which of how many processes, from 1 on.
pub(super) fn parse_part(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/');
    let numbers = numbers.and_then(|(number, count)| number.parse().ok().zip(count.parse().ok()));
    match numbers {
        Some((number, count)) if (1..=count).contains(&number) => Ok(Part {
            number: number - 1,
            count,
        }),
        _ => Err("not of the form NUMBER/COUNT".to_owned()),
    }
}
