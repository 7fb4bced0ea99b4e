//! Origins as browsers write them: in the form of RFC 6454, section 6.2, with the hosts of the URL
//! standard. One that is written in another way would be refused to every browser.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What is allowed, to follow "expected".
pub(super) const ORIGIN: &str = "what browsers send, such as \"https://app.example\" or \
    \"http://localhost:3000\": without a path, without the port that the scheme has anyway, and with \
    the name in ASCII (\"xn--...\")";

/// Whether a browser sends this.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an IPv6 address stands inside of its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
}

fn is_scheme(scheme: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(allowed)
}

fn is_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest
            .strip_suffix(']')
            .and_then(|address| address.parse::<Ipv6Addr>().ok());
        // There is one way to write it.
        return address.is_some_and(|address| format!("[{address}]").eq_ignore_ascii_case(host));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    !host.is_empty() && host.chars().all(allowed) && (is_address || !is_number)
}

fn is_port(scheme: &str, port: &str) -> bool {
    let number = port.parse::<u16>().unwrap_or_default();
    let implied = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => 0,
    };
    // No sign, no zeros in front.
    number != 0 && number != implied && number.to_string() == port
}
