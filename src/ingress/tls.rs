//! Certificate and key of the public listeners.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Why a certificate cannot be used.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("listen.tls.cert: {path} cannot be read as PEM certificates")]
    Certificate {
        path: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("listen.tls.key: {path} cannot be read as a PEM private key")]
    Key {
        path: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("listen.tls: certificate and key do not fit together")]
    Mismatch(#[from] rustls::Error),
}

/// A certificate that can be used.
#[derive(Clone, Debug)]
pub struct Certified {
    /// What encrypts connections with it.
    pub config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires, in Unix seconds; 0 if it does not say.
    pub expires_s: u64,
}

/// Reads a certificate chain and its private key. TLS 1.2 and 1.3, HTTP/1.1 only.
///
/// # Errors
///
/// Names the key of the configuration and the file, and never shows what stands in it.
pub fn load(cert: &Path, key: &Path) -> Result<Certified, TlsError> {
    let certificates = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(|source| TlsError::Certificate {
        path: cert.display().to_string(),
        source,
    })?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Key {
        path: key.display().to_string(),
        source,
    })?;
    let expires_s = certificates.iter().filter_map(expiry).min();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certified {
        config: Arc::new(config),
        expires_s: expires_s.unwrap_or_default(),
    })
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}
