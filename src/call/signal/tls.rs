//! TLS for the signalling: who the host is, and how a caller knows it.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};

/// The file with the certificate and the key of this machine.
const FILE: &str = "host.pem";
/// A larger file is not one of certificates.
const MAX_FILE: u64 = 1 << 20;

/// The SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate.as_ref()).into())
    }

    /// As it stands in a link.
    pub(super) fn to_link(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(super) fn from_link(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    /// As browsers show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// A certificate that cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is the matter with it.
        why: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Made(String),
    /// The two do not belong together.
    #[error("the certificate in {} and its key cannot be used: {why}", certificate.display())]
    Pair {
        /// Where the certificate is.
        certificate: PathBuf,
        /// What is the matter.
        why: String,
    },
}

/// A host's certificate and key.
#[derive(Clone)]
pub struct ServerIdentity {
    pub(super) config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
    /// Nobody but its fingerprint vouches for it.
    self_signed: bool,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl ServerIdentity {
    /// Where the certificate of this machine is kept: beside its settings.
    pub fn default_folder() -> Option<PathBuf> {
        Some(dirs::config_dir()?.join("clearcall"))
    }

    /// The certificate that this machine has made for itself in `folder`; the first time it is made. It stays the
    /// same, so that a browser that was told to trust it goes on doing so.
    ///
    /// # Errors
    ///
    /// If the file is damaged, or cannot be written.
    pub fn of_this_machine(folder: &Path) -> Result<Self, TlsError> {
        let path = folder.join(FILE);
        match std::fs::symlink_metadata(&path) {
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::NotFound => make(&path)?,
            Err(why) => return Err(TlsError::File { path, why: why.to_string() }),
        }
        Self::read(&path, &path, true)
    }

    /// A certificate (and those that vouch for it) and its key, from PEM files.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the two do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::read(certificate, key, false)
    }

    fn read(certificate: &Path, key: &Path, self_signed: bool) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| TlsError::File { path: certificate.to_owned(), why: format!("{why:?}") })?;
        let no = |path: &Path, what: &str| TlsError::File {
            path: path.to_owned(),
            why: format!("no {what} in PEM is in it"),
        };
        let first = chain.first().ok_or_else(|| no(certificate, "certificate"))?;
        let fingerprint = Fingerprint::of(first);
        let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no(key, "private key"))?;
        let pair = |why: Error| TlsError::Pair { certificate: certificate.to_owned(), why: why.to_string() };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint, self_signed })
    }

    /// The SHA-256 of the certificate, for people to compare with what a browser shows.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The fingerprint, where a caller needs it to know the host.
    pub(super) fn pin(&self) -> Option<Fingerprint> {
        self.self_signed.then_some(self.fingerprint)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fault = |why: String| TlsError::File { path: path.to_owned(), why };
    let size = std::fs::metadata(path).map_err(|e| fault(e.to_string()))?.len();
    if size > MAX_FILE {
        return Err(fault(format!("it is larger than {MAX_FILE} bytes, so it is no certificate")));
    }
    std::fs::read(path).map_err(|e| fault(e.to_string()))
}

/// Makes a certificate and its key, in a file that only its owner can read.
fn make(path: &Path) -> Result<(), TlsError> {
    let made = |why: rcgen::Error| TlsError::Made(why.to_string());
    let any = std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
    let mut names: Vec<String> = vec!["localhost".into(), "127.0.0.1".into(), "::1".into()];
    names.extend(super::addresses::reachable(any).iter().map(|a| a.ip().to_string()));
    names.dedup();
    let mut params = rcgen::CertificateParams::new(names).map_err(made)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = i32::try_from(1970 + since_epoch / 31_556_952).unwrap_or(2026);
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 10, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "clearcall host");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().map_err(made)?;
    let certificate = params.self_signed(&key).map_err(made)?;
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // tempfile's own files are for nobody else to read; two hosts that start at once keep the first one's.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        write!(file, "{}{}", certificate.pem(), key.serialize_pem())?;
        match file.persist_noclobber(path) {
            Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => Err(e.error),
            _ => Ok(()),
        }
    };
    write().map_err(|why| TlsError::File { path: path.to_owned(), why: why.to_string() })
}

/// How a caller knows the far side: by the fingerprint in the link, else by those who vouch for web sites.
pub(super) fn client(pinned: Option<Fingerprint>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = match pinned {
        Some(expected) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { expected, provider }))
            .with_no_client_auth(),
        None => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes the one certificate that the link names, whatever name it carries: the link has come from the host itself.
#[derive(Debug)]
struct Pinned {
    expected: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Fingerprint::of(end_entity) == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_certificate_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("clearcall");
        let first = ServerIdentity::of_this_machine(&inside).unwrap();
        let again = ServerIdentity::of_this_machine(&inside).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().to_string().len(), 32 * 3 - 1);
        assert_eq!(Fingerprint::from_link(&first.fingerprint().to_link()), Some(first.fingerprint()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(inside.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
        let given = ServerIdentity::from_files(&inside.join(FILE), &inside.join(FILE)).unwrap();
        assert!(given.pin().is_none() && first.pin().is_some());
    }

    #[test]
    fn files_that_are_no_certificate_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "nothing").unwrap();
        let error = ServerIdentity::of_this_machine(folder.path()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("no certificate"), "{error}");
        let missing = ServerIdentity::from_files(&folder.path().join("none.pem"), &path).unwrap_err().to_string();
        assert!(missing.contains("none.pem"), "{missing}");
        let other = tempfile::tempdir().unwrap();
        ServerIdentity::of_this_machine(other.path()).unwrap();
        std::fs::remove_file(&path).unwrap();
        ServerIdentity::of_this_machine(folder.path()).unwrap();
        let mixed = ServerIdentity::from_files(&path, &other.path().join(FILE)).unwrap_err().to_string();
        assert!(mixed.contains("cannot be used"), "{mixed}");
    }
}
