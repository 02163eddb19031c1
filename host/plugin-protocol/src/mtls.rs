//! Mutual TLS between two processes that know each other's one certificate.
//!
//! Each side makes a certificate for this one start. A peer is accepted if and only if the peer shows exactly these
//! bytes and proves that it has the key; names, dates and issuers do not matter.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use time::OffsetDateTime;

/// The name in both certificates.
pub(crate) const SERVER_NAME: &str = "localhost";

/// The protocol that gRPC libraries require of a TLS connection.
const ALPN: &[u8] = b"h2";

/// The certificate is valid from before the start, for coarse clocks.
const NOT_BEFORE: Duration = Duration::from_secs(30);
/// Validity of the certificate: about 30 years, as for go-plugin's own.
const NOT_AFTER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A key and its self-signed certificate, made for one start of the process.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes the plugin's identity: ECDSA P-256, fit for both roles.
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = certificate_params()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Self::self_signed(&params, &key)
    }

    /// Signs the certificate of `key` with itself.
    pub(crate) fn self_signed(params: &CertificateParams, key: &KeyPair) -> Result<Self, rcgen::Error> {
        let certificate = params.self_signed(key)?.into();
        let key = PrivatePkcs8KeyDer::from(key.serialized_der().to_vec()).into();
        Ok(Self { certificate, key })
    }

    /// The certificate that the peer has to expect.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// TLS settings for connections from the peer with this certificate.
    pub(crate) fn server_config(&self, expected: CertificateDer<'static>) -> Result<ServerConfig, Error> {
        let peer = PinnedPeer::new(expected);
        let mut config = ServerConfig::builder_with_provider(peer.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(peer))
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // The peer connects once and needs no tickets.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// TLS settings for a connection to the peer with this certificate.
    pub(crate) fn client_config(&self, expected: CertificateDer<'static>) -> Result<ClientConfig, Error> {
        let peer = PinnedPeer::new(expected);
        let mut config = ClientConfig::builder_with_provider(peer.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(peer))
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// A certificate for `localhost`, for both roles. Without the client role the server would refuse the certificate when
/// the plugin connects back, long after the start.
pub(crate) fn certificate_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let now = OffsetDateTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    params.not_before = now - NOT_BEFORE;
    params.not_after = now + NOT_AFTER;
    Ok(params)
}

/// Accepts one certificate, in either role.
///
/// WebPKI would refuse the server's: it is a certificate authority used as an
/// end entity. The provider is aws-lc-rs because its key is a P-521 one.
#[derive(Debug)]
struct PinnedPeer {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl PinnedPeer {
    fn new(expected: CertificateDer<'static>) -> Self {
        Self { expected, provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()) }
    }

    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), Error> {
        let equal = presented.as_ref() == self.expected.as_ref();
        equal.then_some(()).ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PinnedPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ServerCertVerifier for PinnedPeer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use rcgen::{BasicConstraints, IsCa, PKCS_ECDSA_P521_SHA512};
    use rustls::client::ResolvesClientCert;
    use rustls::sign::CertifiedKey;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// As the servers make theirs.
    fn servers() -> Identity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut params = certificate_params().unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Identity::self_signed(&params, &key).unwrap()
    }

    /// The outcomes of a handshake: the accepting side's, the connecting side's.
    async fn handshake(server: ServerConfig, client: ClientConfig) -> (Result<(), String>, Result<(), String>) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let (server, client) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
        let (accepted, connected) = tokio::join!(server.accept(near), client.connect(name, far));
        let protocol = |alpn: Option<&[u8]>| (alpn == Some(ALPN)).then_some(()).ok_or("no ALPN".to_owned());
        (
            accepted.map_err(|error| error.to_string()).and_then(|stream| protocol(stream.get_ref().1.alpn_protocol())),
            connected
                .map_err(|error| error.to_string())
                .and_then(|stream| protocol(stream.get_ref().1.alpn_protocol())),
        )
    }

    #[tokio::test]
    async fn both_sides_accept_each_other_in_both_roles() {
        let (ours, servers) = (Identity::generate().unwrap(), servers());
        let (our_certificate, their_certificate) = (ours.certificate().clone(), servers.certificate().clone());
        let inward = handshake(
            ours.server_config(their_certificate.clone()).unwrap(),
            servers.client_config(our_certificate.clone()).unwrap(),
        );
        assert_eq!(inward.await, (Ok(()), Ok(())));
        let outward =
            handshake(servers.server_config(our_certificate).unwrap(), ours.client_config(their_certificate).unwrap());
        assert_eq!(outward.await, (Ok(()), Ok(())));
    }

    #[tokio::test]
    async fn another_certificate_is_refused_in_both_roles() {
        let (ours, servers, strangers) = (Identity::generate().unwrap(), servers(), self::servers());
        let (accepted, _) = handshake(
            ours.server_config(servers.certificate().clone()).unwrap(),
            strangers.client_config(ours.certificate().clone()).unwrap(),
        )
        .await;
        assert!(accepted.unwrap_err().contains("UnknownIssuer"));
        let (_, connected) = handshake(
            strangers.server_config(ours.certificate().clone()).unwrap(),
            ours.client_config(servers.certificate().clone()).unwrap(),
        )
        .await;
        assert!(connected.unwrap_err().contains("UnknownIssuer"));
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_certificate() {
        let (ours, servers) = (Identity::generate().unwrap(), servers());
        let peer = PinnedPeer::new(ours.certificate().clone());
        let client = ClientConfig::builder_with_provider(peer.provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(peer))
            .with_no_client_auth();
        let (accepted, _) = handshake(ours.server_config(servers.certificate().clone()).unwrap(), client).await;
        assert!(accepted.unwrap_err().contains("sent no certificates"));
    }

    #[tokio::test]
    async fn the_right_certificate_without_its_key_is_refused() {
        /// Shows a certificate and signs with the key of another.
        #[derive(Debug)]
        struct Thief(Arc<CertifiedKey>);

        impl ResolvesClientCert for Thief {
            fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
                Some(self.0.clone())
            }

            fn has_certs(&self) -> bool {
                true
            }
        }

        let (ours, servers, thief) = (Identity::generate().unwrap(), servers(), self::servers());
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&thief.key).unwrap();
        let stolen = CertifiedKey::new(vec![servers.certificate().clone()], key);
        let mut client = thief.client_config(ours.certificate().clone()).unwrap();
        client.client_auth_cert_resolver = Arc::new(Thief(Arc::new(stolen)));
        let (accepted, _) = handshake(ours.server_config(servers.certificate().clone()).unwrap(), client).await;
        assert!(accepted.unwrap_err().contains("BadSignature"));
    }
}
