//! A run that follows the published document of a Clinch with other names for everything.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clinch_operator::{
    clinch::{Contract, Overrides, contract::discover},
    domain::Fence,
    sandbox::Sandbox,
};
use serde_json::json;

use crate::setup::{ACCOUNT, Export, Store, World, client, options, profiles};

#[tokio::test]
async fn a_contract_with_other_paths_names_and_paging_is_served_as_well() {
    let mut options = options();
    options.read_contract(Path::new("tests/data/variant-contract.yaml")).unwrap();
    let sandbox = Sandbox::start(options.clone()).await.unwrap();
    let document = client(&sandbox, Contract::built_in(), Fence::open()).openapi().await.unwrap();
    let mut overrides = Overrides::default();
    overrides.attribute("job_reference", "code").unwrap();
    overrides.attribute("stage_name", "label").unwrap();
    let contract = discover(&document).unwrap().with(&overrides);

    let world = World::speaking(options, contract).await;
    let mut export = Export::of(profiles(35)).applying();
    export.mapping = json!({"fields": [
        {"to": "email_address", "from": "emails[0].value", "required": true},
        {"to": "given_name", "from": "firstName"}],
        "matchKeys": ["email_address"], "resume": {"attach": true}});
    for profile in &mut export.profiles {
        profile["resume"] = json!({"bytes": STANDARD.encode(b"%PDF-1.7 words")});
    }
    assert_eq!(world.counts(&export).await.created, 35);
    let forgetful = World { store: Store::default(), ..world };
    assert_eq!(forgetful.counts(&export).await.unchanged, 35);
    forgetful.assert_exactly_once(35);
    for person in forgetful.sandbox.people(ACCOUNT) {
        assert_eq!(person["applications"].as_array().unwrap().len(), 1);
        assert_eq!(person["attachments"].as_array().unwrap().len(), 1);
    }
}
