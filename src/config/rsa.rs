//! RSA keys as PEM texts: read, checked, made.
//!
//! **Invariant:** no error and no debug output contains anything of a key.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    rsa::{self, KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::DecodingKey;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};

use super::value::Secret;

/// Bits of a key that is made for want of another one.
pub const BITS: u32 = 2048;
/// Bytes of the shortest modulus that signs tokens, 2048 bits.
const MODULUS_BYTES_MIN: usize = 256;
/// Bytes of the longest one, 8192 bits.
const MODULUS_BYTES_MAX: usize = 1024;
/// Characters in a line of a PEM text.
const PEM_LINE: usize = 64;

/// What is allowed as a public key, to follow "expected".
pub(crate) const PUBLIC: &str = "an RSA public key of 2048 to 8192 bits, PEM";
/// What is allowed as a private key, to follow "expected".
pub(crate) const PRIVATE: &str = "an RSA private key of 2048 to 8192 bits, PEM";

/// The public half of a pair: checks signatures.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey(Box<[u8]>);

/// A pair of keys: makes signatures.
pub struct PrivateKey(KeyPair);

/// A pair of keys as PEM texts.
#[derive(Debug)]
pub struct PemPair {
    /// PKCS #8.
    pub private: Secret,
    /// The public half, as a certificate would hold it.
    pub public: String,
}

/// Why there is no pair of keys.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MakeKeyError {
    #[error("is {0}, expected 2048, 3072, 4096 or 8192")]
    Bits(u32),
    #[error("the library did not make a key")]
    Library,
}

// === impl PublicKey ===

impl PublicKey {
    /// Reads `PUBLIC KEY` or `RSA PUBLIC KEY`, if it is one that can be used.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let key = DecodingKey::from_rsa_pem(pem.trim().as_bytes()).ok()?;
        let der = key.try_get_as_bytes().ok()?;
        let is_long = MODULUS_BYTES_MIN <= der.len();
        // The other number of the key and what stands around both take some more.
        let is_short = der.len() <= MODULUS_BYTES_MAX + 32;
        let key = rsa::PublicKey::from_der(der).ok()?;
        (is_long && is_short).then(|| Self(key.as_ref().into()))
    }

    /// The `RSAPublicKey` of PKCS #1.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

// === impl PrivateKey ===

impl PrivateKey {
    /// Reads `PRIVATE KEY` or `RSA PRIVATE KEY`, if it is one that can be used.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return None,
        };
        let key = key.ok()?;
        let bytes = MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX;
        bytes
            .contains(&key.public_modulus_len())
            .then_some(Self(key))
    }

    /// Makes a pair. Takes a tenth of a second with 2048 bits, and with 8192 perhaps a minute.
    ///
    /// # Errors
    ///
    /// Another number of bits than 2048, 3072, 4096 or 8192.
    pub fn make(bits: u32) -> Result<Self, MakeKeyError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            _ => return Err(MakeKeyError::Bits(bits)),
        };
        let key = KeyPair::generate(size).map_err(|Unspecified| MakeKeyError::Library)?;
        Ok(Self(key))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().into())
    }

    /// Both halves as texts.
    ///
    /// # Errors
    ///
    /// The library does not give them away.
    pub fn to_pem(&self) -> Result<PemPair, MakeKeyError> {
        let library = |Unspecified| MakeKeyError::Library;
        let private: Pkcs8V1Der<'_> = self.0.as_der().map_err(library)?;
        let public: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(library)?;
        Ok(PemPair {
            private: Secret::new(pem("PRIVATE KEY", private.as_ref())),
            public: pem("PUBLIC KEY", public.as_ref()),
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(PEM_LINE.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    #[test]
    fn what_is_made_can_be_read_and_belongs_together() {
        let made = PrivateKey::make(BITS).unwrap();
        let PemPair { private, public } = made.to_pem().unwrap();
        let read = PrivateKey::from_pem(private.expose()).unwrap();
        assert_eq!(read.public(), made.public());
        assert_eq!(PublicKey::from_pem(&public).unwrap(), made.public());
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert!(public.lines().all(|line| line.len() <= PEM_LINE));
    }

    #[test]
    fn keys_of_other_programs_are_read() {
        let pair = rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
        let private = PrivateKey::from_pem(&pair.serialize_pem()).unwrap();
        let public = PublicKey::from_pem(&pair.public_key_pem()).unwrap();
        assert_eq!(private.public(), public);
        // As PKCS #1, both halves.
        let pkcs_1 = pem("RSA PUBLIC KEY", public.der());
        assert_eq!(PublicKey::from_pem(&pkcs_1), Some(public));
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        let other = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let good = PrivateKey::make(BITS).unwrap();
        let PemPair { private, public } = good.to_pem().unwrap();
        let cut = &public[..public.len() / 2];
        let swapped = public
            .replace("PUBLIC KEY", "RSA PUBLIC KEY")
            .replace("M", "N");
        for text in [
            "",
            "text",
            cut,
            &swapped,
            private.expose(),
            &other.public_key_pem(),
        ] {
            assert!(PublicKey::from_pem(text).is_none());
        }
        for text in [
            "",
            "text",
            &public,
            &other.serialize_pem(),
            &private.expose()[..900],
        ] {
            assert!(PrivateKey::from_pem(text).is_none());
        }
        assert_eq!(
            PrivateKey::make(1024).unwrap_err(),
            MakeKeyError::Bits(1024)
        );
    }

    #[test]
    fn a_key_of_1024_bits_is_too_short() {
        // Of RFC 7468 there is none to copy; this one was made once, and guards nothing.
        let short = "-----BEGIN PUBLIC KEY-----\n\
            MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugd\n\
            UWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQs\n\
            HUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5D\n\
            o2kQ+X5xK9cipRgEKwIDAQAB\n-----END PUBLIC KEY-----\n";
        assert!(DecodingKey::from_rsa_pem(short.as_bytes()).is_ok());
        assert!(PublicKey::from_pem(short).is_none());
    }
}
