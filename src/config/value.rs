//! Values that only configuration has: secrets, address ranges, addresses of HTTP services.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    time::Duration,
};

use hyper::Uri;
use subtle::ConstantTimeEq;

/// A text that no log, no error and no metric may show.
#[derive(Clone, Default)]
pub struct Secret(Box<str>);

/// A range of addresses, `10.0.0.0/8`, or a single one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cidr {
    network: Ipv6Addr,
    prefix: u8,
}

/// Where an HTTP service is: `http` or `https`, with a host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpUrl(Uri);

/// How often the server sends a WebSocket Ping.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ping {
    /// Every so often.
    Every(Duration),
    /// Never.
    #[default]
    Off,
}

/// The text is not of the kind that was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is not of the expected kind")]
pub struct ParseValueError;

// === impl Secret ===

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever must use it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in a time that does not tell how much of `text` is right.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

// === impl Cidr ===

/// Bits in front of an IPv4 address when it is written as an IPv6 one.
const MAPPED_BITS: u8 = 96;

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 address in its IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mask = mask(self.prefix);
        u128::from(mapped(address)) & mask == u128::from(self.network) & mask
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix))
        .unwrap_or_default()
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

impl FromStr for Cidr {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseValueError)?;
        let (width, base) = if address.is_ipv4() {
            (32, MAPPED_BITS)
        } else {
            (128, 0)
        };
        let bits = match bits {
            Some(bits) => bits.parse::<u8>().map_err(|_| ParseValueError)?,
            None => width,
        };
        if width < bits {
            return Err(ParseValueError);
        }
        Ok(Self {
            network: mapped(address),
            prefix: base + bits,
        })
    }
}

// === impl HttpUrl ===

impl HttpUrl {
    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| ParseValueError)?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().is_some_and(|host| !host.is_empty());
        // Nobody would send what stands before the `@`, and logs would show it.
        let password = uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        if known && host && !password {
            Ok(Self(uri))
        } else {
            Err(ParseValueError)
        }
    }
}

// === impl Ping ===

impl Ping {
    /// The interval, if there is one.
    pub fn interval(self) -> Option<Duration> {
        match self {
            Self::Every(interval) => Some(interval),
            Self::Off => None,
        }
    }
}

/// Longer ones are mistakes, and would overflow the clock.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Reads `10s`, `5m`, `250ms`, `7d`. The only bare number is 0, since nobody can mistake its unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(unit)?);
    (duration <= DURATION_MAX).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_unless_they_are_zero() {
        for (text, milliseconds) in [
            ("0", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 s",
            "10S",
            "1m30s",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in [
            format!("{}d", u64::MAX),
            "4000d".to_owned(),
            format!("{}ms", u64::MAX),
        ] {
            assert_eq!(parse_duration(&text), None, "{text}");
        }
    }

    #[test]
    fn a_range_contains_its_addresses_in_both_forms() {
        let range: Cidr = "10.0.0.0/8".parse().unwrap();
        assert!(range.contains("10.255.0.1".parse().unwrap()));
        assert!(range.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!range.contains("11.0.0.1".parse().unwrap()));
        assert!(!range.contains("::1".parse().unwrap()));

        let single: Cidr = "192.0.2.7".parse().unwrap();
        assert!(single.contains("192.0.2.7".parse().unwrap()));
        assert!(!single.contains("192.0.2.6".parse().unwrap()));

        let any: Cidr = "::/0".parse().unwrap();
        assert!(any.contains("192.0.2.7".parse().unwrap()));
        assert!(any.contains("2001:db8::1".parse().unwrap()));

        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "example.org",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(ParseValueError), "{text}");
        }
    }

    #[test]
    fn an_http_address_has_a_scheme_and_a_host() {
        assert!("http://10.0.0.5/hook".parse::<HttpUrl>().is_ok());
        assert!("https://hooks.example:8443".parse::<HttpUrl>().is_ok());
        for text in [
            "",
            "/hook",
            "ftp://host/",
            "http://",
            "10.0.0.5/hook",
            "http://u:p@h/",
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(ParseValueError), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_and_compares() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter"));
    }
}
