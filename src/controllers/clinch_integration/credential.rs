//! What an integration's Secret and endpoint hold. Pure.

use crate::{
    api::ClinchIntegration,
    clinch::Endpoint,
    cluster::Bundle,
    controllers::settings::Settings,
    domain::{Cause, CredentialError, Credentials, Reason},
};

/// The credential in an integration's Secret, or why there is none.
pub(super) fn credentials(
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
) -> Result<Credentials, Cause> {
    let reference = &object.spec.credentials.secret_ref;
    let name = &reference.name;
    let Some(secret) = secret else {
        let message = format!("Secret {name} does not exist in this namespace; create it");
        return Err(Cause::new(Reason::SecretNotFound, message));
    };
    let field = |field: &str| {
        let bytes = secret.data.get(field).ok_or_else(|| {
            let message = format!("Secret {name} has no field {field}");
            Cause::new(Reason::SecretFieldMissing, message)
        })?;
        std::str::from_utf8(bytes).map_err(|_| {
            let message = format!("field {field} of Secret {name} is not text");
            Cause::new(Reason::SecretInvalid, message)
        })
    };
    let access_key = field(&reference.access_key_field)?;
    let secret_key = field(&reference.secret_key_field)?;
    Credentials::parse(access_key, secret_key).map_err(|error| {
        let (reason, field) = match error {
            CredentialError::EmptyAccessKey => {
                (Reason::SecretFieldEmpty, &reference.access_key_field)
            }
            CredentialError::EmptySecret => (Reason::SecretFieldEmpty, &reference.secret_key_field),
            CredentialError::UnprintableAccessKey => {
                (Reason::SecretInvalid, &reference.access_key_field)
            }
        };
        Cause::new(reason, format!("field {field} of Secret {name}: {error}"))
    })
}

/// The origin of an integration's API, unchecked.
pub(super) fn origin(object: &ClinchIntegration, settings: &Settings) -> Option<String> {
    let of_region = |region| settings.regions.origin(region).to_owned();
    object.spec.endpoint.clone().or_else(|| object.spec.region.map(of_region))
}

/// The endpoint of an integration, if it may be contacted.
pub(super) fn endpoint(object: &ClinchIntegration, settings: &Settings) -> Result<Endpoint, Cause> {
    let Some(origin) = origin(object, settings) else {
        let message = "exactly one of spec.region and spec.endpoint must be set".to_owned();
        return Err(Cause::new(Reason::InvalidSpec, message));
    };
    let endpoint = Endpoint::parse(&origin, object.spec.environment)
        .map_err(|error| Cause::new(Reason::InvalidSpec, format!("spec.endpoint: {error}")))?;
    match settings.allowed_endpoints.check(&endpoint) {
        Some(_) => Ok(endpoint),
        None => Err(Cause::new(
            Reason::EndpointNotAllowed,
            format!("{endpoint} is not among the operator's --allowed-endpoints"),
        )),
    }
}
