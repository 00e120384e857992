//! Temporary certificates for servers with TLS.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority for one test, with a certificate for `localhost` and one for a client.
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Generates the keys and certificates, and writes them to `dir`.
    pub fn write_to(dir: &Path) -> Self {
        let certificates = Self {
            dir: dir.to_owned(),
        };
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(DnType::CommonName, "rasynq tests");
        let authority_cert = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        std::fs::write(certificates.ca_path(), authority_cert.pem()).unwrap();

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        for (name, names) in [("server", names), ("client", Vec::new())] {
            let key = KeyPair::generate().unwrap();
            let cert = CertificateParams::new(names)
                .unwrap()
                .signed_by(&key, &issuer)
                .unwrap();
            std::fs::write(dir.join(format!("{name}.crt")), cert.pem()).unwrap();
            std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        certificates
    }

    /// The authority's certificate.
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The server's certificate.
    pub fn server_cert_path(&self) -> PathBuf {
        self.dir.join("server.crt")
    }

    /// The server's key.
    pub fn server_key_path(&self) -> PathBuf {
        self.dir.join("server.key")
    }

    /// The authority's certificate as PEM.
    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.ca_path()).unwrap()
    }

    /// A client's certificate as PEM.
    pub fn client_cert_pem(&self) -> String {
        std::fs::read_to_string(self.dir.join("client.crt")).unwrap()
    }

    /// The client's key as PEM.
    pub fn client_key_pem(&self) -> String {
        std::fs::read_to_string(self.dir.join("client.key")).unwrap()
    }
}
