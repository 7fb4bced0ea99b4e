//! Where the node listens, and whom it believes there.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{
    setting::words,
    value::Cidr,
    visit::{Section, Visitor},
};

/// `[listen]`: the two listeners.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Addresses of the dialects. Loopback, so that a node nobody configured is nobody's target.
    pub public: Vec<SocketAddr>,
    /// Address of health, metrics, HTTP API and console.
    pub admin: SocketAddr,
    /// Certificate of the public listeners; absent: no TLS.
    pub tls: Option<Tls>,
    /// Proxies whose word about the client's address counts. None by default: the header is
    /// anybody's to write.
    pub trusted_proxies: Vec<Cidr>,
    /// Which header of theirs names the client. A proxy passes on the headers that it does not set
    /// itself, which are then the client's to write: say which one yours sets.
    pub client_address: ClientAddress,
    /// Origins that browsers may connect from. Empty: any.
    pub origins: Vec<String>,
    /// Whether every public connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Connections that the kernel completes ahead of us. 4096 is what Linux caps it at by default,
    /// and a storm of reconnects overflows the usual 128.
    pub accept_backlog: u32,
}

/// `listen.tls`: the files of a certificate, read again at each reload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The header by which a trusted proxy names the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAddress {
    /// The first of these that is there: `X-Forwarded-For`, which nearly all proxies set,
    /// `Forwarded`, `X-Real-IP`.
    #[default]
    Auto,
    /// `Forwarded`, RFC 7239.
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `X-Real-IP`.
    XRealIp,
}

words!(
    ClientAddress,
    "auto" => ClientAddress::Auto,
    "forwarded" => ClientAddress::Forwarded,
    "x-forwarded-for" => ClientAddress::XForwardedFor,
    "x-real-ip" => ClientAddress::XRealIp
);

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: vec![(Ipv4Addr::LOCALHOST, 8080).into()],
            admin: (Ipv4Addr::LOCALHOST, 8081).into(),
            tls: None,
            trusted_proxies: Vec::new(),
            client_address: ClientAddress::default(),
            origins: Vec::new(),
            proxy_protocol: false,
            accept_backlog: 4096,
        }
    }
}

impl Section for Listen {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("public", &mut self.public);
        visitor.setting("admin", &mut self.admin);
        visitor.sections("tls", &mut self.tls);
        visitor.setting("trusted_proxies", &mut self.trusted_proxies);
        visitor.setting("client_address", &mut self.client_address);
        visitor.setting("origins", &mut self.origins);
        visitor.setting("proxy_protocol", &mut self.proxy_protocol);
        visitor.setting("accept_backlog", &mut self.accept_backlog);
    }
}

impl Section for Tls {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("cert", &mut self.cert);
        visitor.required("key", &mut self.key);
    }
}
