//! The upstreams that the plugin trusts, and its identity towards them.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use zeroize::Zeroize as _;

/// Certificates of authorities that are trusted beside those of the system.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// The identity for an upstream that asks for a client certificate. The key cannot be printed, and its bytes are not
/// kept.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

/// A file of certificates or of a key cannot be used. The text names the file.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file has no certificate.
    #[error("`{0}` contains no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate(String),
    /// A certificate of the file is invalid.
    #[error("certificate {number} of `{file}` cannot be used: {reason}")]
    BadCertificate {
        /// Name of the file.
        file: String,
        /// Number of the certificate in the file, from 1 on.
        number: usize,
        /// Mistake in the certificate.
        reason: String,
    },
    /// The file has no private key.
    #[error("`{0}` contains no private key in PEM form that can be used (PKCS #8, PKCS #1 or SEC 1, not encrypted)")]
    NoKey(String),
    /// Certificate and key do not belong together.
    #[error("the private key of `{key}` does not belong to the first certificate of `{certificate}`")]
    OtherKey {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
    },
    /// No authority is trusted.
    #[error("no certificate of an authority was found{}", listed(.0))]
    NoAuthorities(Vec<String>),
    /// TLS itself failed.
    #[error("{0}")]
    Tls(rustls::Error),
}

fn listed(reasons: &[String]) -> String {
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}

impl Authorities {
    /// Adds the certificates of a file in PEM form.
    ///
    /// # Errors
    /// Names the file, and the certificate that cannot be used.
    pub fn add(&mut self, file: &str, pem: &[u8]) -> Result<(), TrustError> {
        let certificates = certificates(file, pem)?;
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| bad(file, index, &error))?;
        }
        self.0.extend(certificates);
        Ok(())
    }
}

impl ClientIdentity {
    /// An identity from a certificate, which those of its authorities may follow, and its key, both in PEM form.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn new(
        (certificate_file, certificate): (&str, &[u8]),
        (key_file, key): (&str, &[u8]),
    ) -> Result<Self, TrustError> {
        let chain = certificates(certificate_file, certificate)?;
        let no_key = || TrustError::NoKey(key_file.to_owned());
        let mut der = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key())?;
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der);
        der.zeroize();
        let certified = CertifiedKey::new(chain, signing.map_err(|_| no_key())?);
        certified.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TrustError::OtherKey { certificate: certificate_file.to_owned(), key: key_file.to_owned() }
            }
            error => bad(certificate_file, 0, &error),
        })?;
        Ok(Self(Arc::new(certified)))
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(…)")
    }
}

fn certificates(file: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut found = Vec::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        found.push(certificate.map_err(|error| bad(file, index, &error))?);
    }
    if found.is_empty() { Err(TrustError::NoCertificate(file.to_owned())) } else { Ok(found) }
}

fn bad(file: &str, index: usize, reason: &dyn std::fmt::Display) -> TrustError {
    TrustError::BadCertificate { file: file.to_owned(), number: index + 1, reason: reason.to_string() }
}

/// TLS settings towards upstreams: the system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), those of
/// the registration, and the identity of the registration.
///
/// # Errors
/// When no authority is trusted.
pub(crate) fn client_config(
    authorities: &Authorities,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(TrustError::Tls)?;
    let builder = builder.with_root_certificates(roots(authorities)?);
    let config = match identity {
        Some(ClientIdentity(key)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))))
        }
        None => builder.with_no_client_auth(),
    };
    Ok(with_alpn(config))
}

/// Adds both versions of HTTP, the newer one first.
pub(crate) fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn roots(authorities: &Authorities) -> Result<RootCertStore, TrustError> {
    let system = rustls_native_certs::load_native_certs();
    let unread: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
    let mut store = RootCertStore::empty();
    let (_, ignored) = store.add_parsable_certificates(system.certs);
    if !unread.is_empty() || ignored > 0 {
        let reasons = unread.join("; ");
        tracing::warn!(reasons, ignored, "some of this system's trusted certificates cannot be read");
    }
    store.add_parsable_certificates(authorities.0.iter().cloned());
    if store.is_empty() { Err(TrustError::NoAuthorities(unread)) } else { Ok(store) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["client.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn identity(certificate: &str, key: &str) -> Result<ClientIdentity, TrustError> {
        ClientIdentity::new(("/c.pem", certificate.as_bytes()), ("/k.pem", key.as_bytes()))
    }

    #[test]
    fn files_of_authorities_are_refused_by_name() {
        let (certificate, key) = pair();
        let mut authorities = Authorities::default();
        authorities.add("/good.pem", format!("{certificate}{}", pair().0).as_bytes()).unwrap();
        assert_eq!(authorities.0.len(), 2);
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let rows = [
            (String::new(), "`/bad.pem` contains no certificate"),
            ("no PEM at all".to_owned(), "`/bad.pem` contains no certificate"),
            (key, "`/bad.pem` contains no certificate"),
            (damaged.to_owned(), "certificate 1 of `/bad.pem`"),
            (format!("{certificate}{damaged}"), "certificate 2 of `/bad.pem`"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned(), "certificate 1 of `/bad.pem`"),
        ];
        for (pem, expected) in rows {
            let text = authorities.add("/bad.pem", pem.as_bytes()).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
        assert_eq!(authorities.0.len(), 2, "nothing of a bad file is taken");
    }

    #[test]
    fn an_identity_needs_a_certificate_and_its_own_key() {
        let (certificate, key) = pair();
        identity(&certificate, &key).unwrap();
        let rows = [
            (identity("", &key), "`/c.pem` contains no certificate"),
            (identity(&certificate, ""), "`/k.pem` contains no private key"),
            (identity(&certificate, &certificate), "`/k.pem` contains no private key"),
            (identity(&certificate, &pair().1), "the private key of `/k.pem` does not belong"),
        ];
        for (outcome, expected) in rows {
            let text = outcome.unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn an_identity_cannot_be_printed() {
        let (certificate, key) = pair();
        let printed = format!("{:?}", identity(&certificate, &key).unwrap());
        assert_eq!(printed, "ClientIdentity(…)");
    }
}
