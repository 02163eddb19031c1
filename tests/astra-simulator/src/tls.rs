//! TLS with a certificate that is good, or wrong in one way. Each simulator has an authority of
//! its own, made at the start.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate as RcgenCertificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::play::Transport;

/// The certificate that a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For 127.0.0.1, localhost and `astra.example`, by the simulator's own authority.
    Good,
    /// The same, of a server that ends TLS with clients that have no certificate of the authority.
    GoodForKnownClients,
    /// For the right host, but signed by itself.
    SelfSigned,
    /// By the authority, for another host.
    WrongHost,
    /// By the authority, for the right host, and over since 2021.
    Expired,
}

/// What a TLS server needs, and what its client must trust.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) authority_pem: String,
    pub(crate) client: ClientCertificate,
}

/// A certificate by which a client is known, and its key, both in PEM form.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// By the simulator's own authority.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
}

impl Transport for TlsStream<&mut TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

pub(crate) fn identity(certificate: Certificate) -> io::Result<Identity> {
    let mut authority = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().map_err(io::Error::other)?;
    let authority = CertifiedIssuer::self_signed(authority, authority_key).map_err(io::Error::other)?;

    let key = KeyPair::generate().map_err(io::Error::other)?;
    let leaf = leaf_params(certificate)?;
    let leaf: RcgenCertificate = match certificate {
        Certificate::SelfSigned => leaf.self_signed(&key).map_err(io::Error::other)?,
        _ => leaf.signed_by(&key, &authority).map_err(io::Error::other)?,
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let builder = match certificate {
        Certificate::GoodForKnownClients => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        }
        _ => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(vec![leaf.der().clone()], key).map_err(io::Error::other)?;
    let client_key = KeyPair::generate().map_err(io::Error::other)?;
    let client = CertificateParams::new(vec!["client.example".to_owned()]).map_err(io::Error::other)?;
    let client = client.signed_by(&client_key, &authority).map_err(io::Error::other)?;
    let client = ClientCertificate { certificate_pem: client.pem(), key_pem: client_key.serialize_pem() };
    Ok(Identity { config: Arc::new(config), authority_pem: authority.pem(), client })
}

fn leaf_params(certificate: Certificate) -> io::Result<CertificateParams> {
    let hosts: &[&str] = match certificate {
        Certificate::WrongHost => &["other.example.com"],
        _ => &["127.0.0.1", "localhost", "astra.example"],
    };
    let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    Ok(params)
}
