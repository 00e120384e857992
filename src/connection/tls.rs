//! The TLS settings of a connection, for rustls with the ring provider.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use fred::types::config::{HostMapping, TlsConfig, TlsConnector, TlsHostMapping};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// TLS to Redis: which certificates to trust, and which to present. Needs the feature `tls`.
///
/// TLS 1.2 and 1.3. Verification cannot be skipped.
///
/// ```
/// use rasynq::{Connection, TlsOptions};
///
/// # fn pem() -> Vec<u8> { Vec::new() }
/// let redis = Connection::tcp("10.0.0.7", 6380)
///     .tls(TlsOptions::new().ca_pem(pem()).server_name("redis.internal"));
/// ```
#[derive(Clone, Default)]
pub struct TlsOptions {
    ca_pem: Option<Vec<u8>>,
    client_pem: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

impl TlsOptions {
    /// Trusts the certificate authorities that the operating system trusts, and presents no
    /// certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificate authorities instead of those of the operating system: one or more
    /// certificates as PEM.
    pub fn ca_pem(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(certificates.into());
        self
    }

    /// Presents this certificate to the Redis server: a chain as PEM, the client's own certificate
    /// first, and its key as PEM.
    pub fn client_certificate_pem(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_pem = Some((certificate.into(), key.into()));
        self
    }

    /// The name for which the certificate of the Redis server must be valid. Default: the host of the
    /// connection.
    ///
    /// It does not apply to masters behind sentinels: their certificates must be valid for the host
    /// that the sentinels report.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(super) fn for_fred(&self) -> Result<TlsConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("protocol versions", error))?
            .with_root_certificates(self.roots()?);
        let config = match &self.client_pem {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "the client's certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| wrong("the client's key", error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong("the client's certificate and key", error))?
            }
        };
        let hostnames = match &self.server_name {
            Some(name) => TlsHostMapping::Custom(Arc::new(SameName(name.clone()))),
            // A cluster reports its nodes by IP address, but certificates are for names.
            None => TlsHostMapping::DefaultHost,
        };
        Ok(TlsConfig {
            connector: TlsConnector::from(config),
            hostnames,
        })
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut store = RootCertStore::empty();
        if let Some(pem) = &self.ca_pem {
            for certificate in certificates(pem, "the authorities' certificates")? {
                store
                    .add(certificate)
                    .map_err(|error| wrong("the authorities' certificates", error))?;
            }
            return Ok(store);
        }
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "could not read some certificates of the operating system");
        }
        // The system's store may contain old certificates that rustls cannot parse.
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            return Err(Error::invalid(
                "TLS to Redis: the operating system has no trusted authorities; set them with `ca_pem`",
            ));
        }
        Ok(store)
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("own_authorities", &self.ca_pem.is_some())
            .field("client_certificate", &self.client_pem.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

/// Verifies every node of a cluster by the same name.
#[derive(Debug)]
struct SameName(String);

impl HostMapping for SameName {
    fn map(&self, _: &IpAddr, _: &str) -> Option<String> {
        Some(self.0.clone())
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(what, error))?;
    if certificates.is_empty() {
        return Err(Error::invalid(format!(
            "TLS to Redis: {what}: no certificate in PEM form"
        )));
    }
    Ok(certificates)
}

fn wrong(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(format!("TLS to Redis: {what}: {error}")).with_source(error)
}
