//! The client's address behind proxies: `X-Forwarded-For`, `Forwarded` (RFC 7239), `X-Real-IP`.
//!
//! Each proxy adds the address that it saw, so only what trusted ones added counts: the headers are
//! read from their end, and the first address that is no trusted proxy's is the client's.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;

use crate::config::{Cidr, ClientAddress};

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_REAL_IP: &str = "x-real-ip";

/// The client's address. Without a trusted peer, the peer's own.
pub(super) fn client(
    headers: &HeaderMap,
    peer: IpAddr,
    trusted: &[Cidr],
    named_by: ClientAddress,
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let has = |name: &str| headers.contains_key(name);
    let chain: Vec<Option<IpAddr>> = match named_by {
        ClientAddress::Auto if has(X_FORWARDED_FOR) => plain(headers, X_FORWARDED_FOR),
        ClientAddress::Auto if has(FORWARDED) => forwarded(headers),
        ClientAddress::Auto | ClientAddress::XRealIp => plain(headers, X_REAL_IP),
        ClientAddress::Forwarded => forwarded(headers),
        ClientAddress::XForwardedFor => plain(headers, X_FORWARDED_FOR),
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

fn plain(headers: &HeaderMap, name: &'static str) -> Vec<Option<IpAddr>> {
    elements(headers, name).map(parse).collect()
}

fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let elements = elements(headers, FORWARDED);
    elements
        .map(|element| parse(forwarded_for(element)?))
        .collect()
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
        check_by(ClientAddress::Auto, peer, headers, expect);
    }

    #[track_caller]
    fn check_by(
        named_by: ClientAddress,
        peer: &str,
        headers: &[(&'static str, &str)],
        expect: &str,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let client = client(&map, peer.parse().unwrap(), &trusted, named_by);
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
    fn the_header_that_most_proxies_set_goes_first() {
        let headers = [("forwarded", "For=9.9.9.9"), ("x-forwarded-for", "5.6.7.8")];
        check("10.0.0.1", &headers, "5.6.7.8");
    }

    #[test]
    fn a_header_that_the_proxy_does_not_set_does_not_count() {
        let headers = [
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-real-ip", "3.3.3.3"),
        ];
        check_by(ClientAddress::Forwarded, "10.0.0.1", &headers, "1.1.1.1");
        check_by(
            ClientAddress::XForwardedFor,
            "10.0.0.1",
            &headers,
            "2.2.2.2",
        );
        check_by(ClientAddress::XRealIp, "10.0.0.1", &headers, "3.3.3.3");
        check_by(
            ClientAddress::XRealIp,
            "10.0.0.1",
            &headers[..2],
            "10.0.0.1",
        );
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
