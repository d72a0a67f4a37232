//! How the parts of a cluster know each other: by a secret that every request carries, by certificates, or by both.
//!
//! Both ends read the same variables. Nothing of it stands on a command line, in a lake, or in a message.

use std::{env, fmt, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The secret itself.
const SECRET: &str = "HEAPLAKE_CLUSTER_SECRET";
/// A file with the secret.
const SECRET_FILE: &str = "HEAPLAKE_CLUSTER_SECRET_FILE";
/// PEM files: the authority that signs the certificates of all parts, and this part's certificate and key.
const TLS: [&str; 3] = ["HEAPLAKE_CLUSTER_CA", "HEAPLAKE_CLUSTER_CERT", "HEAPLAKE_CLUSTER_KEY"];
/// The name that all certificates of workers have, where they are reached by addresses; default the host in the address.
const NAME: &str = "HEAPLAKE_CLUSTER_NAME";
/// Shorter secrets can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// A secret, certificates, both or neither.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    secret: Option<HeaderValue>,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    authority: Certificate,
    identity: Identity,
    name: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("secret", &self.secret.is_some())
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Credentials {
    /// Those that the environment names.
    pub(crate) fn of_environment() -> Result<Self> {
        Self::of(&|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let secret = match (variable(SECRET), variable(SECRET_FILE)) {
            (Some(_), Some(_)) => bail!("{SECRET} and {SECRET_FILE} are both set; one of them is needed"),
            (Some(secret), None) => Some((secret, SECRET)),
            (None, Some(file)) => Some((read(SECRET_FILE, &file)?, SECRET_FILE)),
            (None, None) => None,
        };
        let secret = secret.map(|(secret, name)| header(secret.trim(), name)).transpose()?;
        let tls = match TLS.map(variable) {
            [Some(authority), Some(certificate), Some(key)] => {
                let [authority_name, certificate_name, key_name] = TLS;
                Some(Tls {
                    authority: Certificate::from_pem(read(authority_name, &authority)?),
                    identity: Identity::from_pem(
                        read(certificate_name, &certificate)?,
                        read(key_name, &key)?,
                    ),
                    name: variable(NAME),
                })
            }
            [None, None, None] => None,
            _ => bail!("{}, {} and {} are set together or not at all", TLS[0], TLS[1], TLS[2]),
        };
        Ok(Self { secret, tls })
    }

    /// Whether connections are TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether requests of strangers can be told from others.
    pub(crate) fn keep_strangers_out(&self) -> bool {
        self.secret.is_some() || self.tls.is_some()
    }

    /// Adds the secret to a request.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(secret) = &self.secret {
            headers.insert(AUTHORIZATION, secret.clone());
        }
    }

    /// Whether a request carries the secret, where there is one. Digests are compared, so that the time says nothing.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(secret) = &self.secret else { return true };
        let given = headers.get(AUTHORIZATION);
        given.is_some_and(|given| Sha256::digest(given.as_bytes()) == Sha256::digest(secret.as_bytes()))
    }

    /// How a client connects; `None` without TLS.
    pub(crate) fn client_tls(&self) -> Option<ClientTlsConfig> {
        let tls = self.tls.as_ref()?;
        let config = ClientTlsConfig::new().ca_certificate(tls.authority.clone());
        let config = config.identity(tls.identity.clone());
        Some(match &tls.name {
            Some(name) => config.domain_name(name),
            None => config,
        })
    }

    /// How a worker is connected to; `None` without TLS. Clients must have a certificate of the same authority.
    pub(crate) fn server_tls(&self) -> Option<ServerTlsConfig> {
        let tls = self.tls.as_ref()?;
        Some(ServerTlsConfig::new().identity(tls.identity.clone()).client_ca_root(tls.authority.clone()))
    }
}

/// What to set so that strangers are kept out.
pub(crate) fn remedy() -> String {
    format!("set {SECRET} or {SECRET_FILE}, or {}, {} and {}", TLS[0], TLS[1], TLS[2])
}

/// What to set so that both ends prove who they are.
pub(crate) fn tls_remedy() -> String {
    format!("set {}, {} and {}", TLS[0], TLS[1], TLS[2])
}

fn header(secret: &str, name: &str) -> Result<HeaderValue> {
    if secret.len() < MIN_SECRET_BYTES {
        bail!("{name}: the secret has {} characters, at least {MIN_SECRET_BYTES} are needed", secret.len());
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {secret}"))
        .with_context(|| format!("{name}: a secret has no line breaks or control characters"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn read(name: &str, file: &str) -> Result<String> {
    fs::read_to_string(Path::new(file)).with_context(|| format!("{name}: cannot read {file:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "correct horse battery staple";

    fn of(set: &[(&str, &str)]) -> Result<Credentials> {
        Credentials::of(&|name| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn headers(of: &Credentials) -> HeaderMap {
        let mut headers = HeaderMap::new();
        of.add_to(&mut headers);
        headers
    }

    #[test]
    fn a_secret_admits_who_has_it() {
        let ours = of(&[(SECRET, LONG)]).unwrap();
        let others = of(&[(SECRET, "another secret of some length")]).unwrap();
        assert!(ours.admit(&headers(&ours)));
        assert!(!ours.admit(&headers(&others)));
        assert!(!ours.admit(&HeaderMap::new()));
        let open = of(&[]).unwrap();
        assert!(open.admit(&HeaderMap::new()) && !open.keep_strangers_out());
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, format!("{LONG}\n")).unwrap();
        let from_file = of(&[(SECRET_FILE, file.to_str().unwrap())]).unwrap();
        assert!(of(&[(SECRET, LONG)]).unwrap().admit(&headers(&from_file)));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for set in [
            &[(SECRET, "short")][..],
            &[(SECRET, "a secret that has\na line break")],
            &[(SECRET, LONG), (SECRET_FILE, "/nowhere")],
            &[(SECRET_FILE, "/nowhere")],
            &[(TLS[0], "/nowhere")],
        ] {
            let error = format!("{:#}", of(set).unwrap_err());
            assert!(error.contains("HEAPLAKE_CLUSTER"), "{error}");
            assert!(
                !error.contains("short") && !error.contains("line break\"") && !error.contains(LONG),
                "{error}"
            );
        }
        let debug = format!("{:?}", of(&[(SECRET, LONG)]).unwrap());
        assert!(!debug.contains("horse"), "{debug}");
    }
}
