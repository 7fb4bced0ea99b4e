//! The client's address behind proxies: `Forwarded` (RFC 7239), `X-Forwarded-For`, `X-Real-IP`.
//!
//! Each proxy adds the address that it saw, so only what trusted ones added counts: the headers are
//! read from their end, and the first address that is no trusted proxy's is the client's.

use std::net::{IpAddr, SocketAddr};

use hyper::{HeaderMap, header};

use crate::config::Cidr;

/// The client's address. Without a trusted peer, the peer's own.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let chain = if headers.contains_key(header::FORWARDED) {
        elements(headers, "forwarded")
            .map(|element| parse(forwarded_for(element)?))
            .collect()
    } else if headers.contains_key("x-forwarded-for") {
        elements(headers, "x-forwarded-for").map(parse).collect()
    } else {
        elements(headers, "x-real-ip")
            .map(parse)
            .collect::<Vec<_>>()
    };
    let mut client = peer;
    for address in chain.into_iter().rev() {
        // What a trusted proxy did not understand itself ends the chain of what can be believed.
        let Some(address) = address else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// The comma-separated elements of all headers of this name, in order.
fn elements<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.to_str().unwrap_or("").split(','))
}

fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(node.trim().trim_matches('"'))
}

/// An address as proxies write it: bare, with a port, in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[(&'static str, &str)], expect: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let client = client(&map, peer.parse().unwrap(), &trusted);
        assert_eq!(client.to_string(), expect);
    }

    #[test]
    fn a_stranger_is_not_believed() {
        check("1.2.3.4", &[("x-forwarded-for", "5.6.7.8")], "1.2.3.4");
        check("1.2.3.4", &[("x-real-ip", "5.6.7.8")], "1.2.3.4");
        check("1.2.3.4", &[("forwarded", "for=5.6.7.8")], "1.2.3.4");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        check("10.0.0.1", &[("x-forwarded-for", "5.6.7.8")], "5.6.7.8");
        check("10.0.0.1", &[("x-real-ip", "5.6.7.8")], "5.6.7.8");
        check(
            "::1",
            &[("forwarded", "for=\"[2001:db8::1]:4711\";proto=https")],
            "2001:db8::1",
        );
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let headers = [("x-forwarded-for", "9.9.9.9, 5.6.7.8, 10.0.0.2")];
        check("10.0.0.1", &headers, "5.6.7.8");
        let headers = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-for", "5.6.7.8"),
        ];
        check("10.0.0.1", &headers, "5.6.7.8");
    }

    #[test]
    fn forwarded_goes_before_the_older_headers() {
        let headers = [("forwarded", "For=5.6.7.8"), ("x-forwarded-for", "9.9.9.9")];
        check("10.0.0.1", &headers, "5.6.7.8");
    }

    #[test]
    fn what_is_no_address_ends_the_chain() {
        check(
            "10.0.0.1",
            &[("x-forwarded-for", "5.6.7.8, unknown")],
            "10.0.0.1",
        );
        check("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn an_address_comes_with_or_without_port() {
        check("10.0.0.1", &[("x-forwarded-for", "5.6.7.8:99")], "5.6.7.8");
        check(
            "10.0.0.1",
            &[("x-forwarded-for", "::ffff:5.6.7.8")],
            "5.6.7.8",
        );
    }
}
