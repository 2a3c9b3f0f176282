//! Keys, certificates and tokens of one control plane. Pure but for randomness; nothing here is
//! valid anywhere else, and two control planes never accept each other's connections.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};

/// The user of the admin kubeconfig.
pub(super) const ADMIN: &str = "control-plane-admin";
/// The user that probes readiness; excluded from the audit log.
pub(super) const PROBE: &str = "control-plane-probe";

/// A certificate with its key, both PEM.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// All secrets of one control plane.
pub(super) struct Credentials {
    pub(super) ca_pem: String,
    pub(super) ca_der: Vec<u8>,
    /// Serves the API and etcd, and is the API server's client certificate towards etcd.
    pub(super) server: Pair,
    pub(super) service_account_key: String,
    pub(super) service_account_public_key: String,
    pub(super) admin_token: String,
    pub(super) probe_token: String,
}

impl Credentials {
    pub(super) fn generate() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "clinch-operator test control plane");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca_key = KeyPair::generate()?;
        let ca = params.self_signed(&ca_key)?;
        let server = issue(&Issuer::new(params, ca_key))?;
        let service_account = KeyPair::generate()?;
        Ok(Self {
            ca_pem: ca.pem(),
            ca_der: ca.der().to_vec(),
            server,
            service_account_key: service_account.serialize_pem(),
            service_account_public_key: service_account.public_key_pem(),
            admin_token: token()?,
            probe_token: token()?,
        })
    }

    /// The static token file: token, user, uid, groups.
    pub(super) fn token_file(&self) -> String {
        let Self { admin_token, probe_token, .. } = self;
        format!(
            "{admin_token},{ADMIN},{ADMIN},\"system:masters\"\n\
             {probe_token},{PROBE},{PROBE},\"system:masters\"\n"
        )
    }
}

fn issue(ca: &Issuer<'_, KeyPair>) -> Result<Pair, rcgen::Error> {
    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(String::from);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, ca)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// An unguessable bearer token: the hash of a fresh private key, so that its randomness comes from
/// the same source as that of the keys.
fn token() -> Result<String, rcgen::Error> {
    Ok(hex::encode(Sha256::digest(KeyPair::generate()?.serialized_der())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_never_repeated() {
        let credentials = Credentials::generate().expect("generated");
        assert_ne!(credentials.admin_token, credentials.probe_token);
        assert_eq!(credentials.admin_token.len(), 64);
        assert_eq!(credentials.token_file().lines().count(), 2);
    }
}
