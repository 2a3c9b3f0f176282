//! Which integrations share which state. Nothing is sent.

use std::time::Duration;

use super::*;
use crate::{
    api::{ApiVersion, Environment, Region},
    clinch::{AllowedEndpoints, Contract, Jitter, Timeouts, Unobserved},
    domain::{Clock, Credentials, Fence},
    network::{OutboundProxy, SystemResolver},
};

fn registry() -> Registry {
    Registry::new(ClientDeps {
        allowed: AllowedEndpoints::documented(),
        clock: Clock::fixed("2026-03-05T12:00:00Z".parse().unwrap()),
        jitter: Jitter::new(|| 0.0),
        resolver: Arc::new(SystemResolver),
        proxy: OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence: Fence::open(),
    })
}

fn limits(requests_per_second: Option<u32>, max_in_flight: usize) -> Limits {
    Limits { requests_per_second, max_in_flight }
}

fn config(region: Region, access_key: &str, limits: Limits) -> ClientConfig {
    ClientConfig {
        endpoint: Endpoint::of_region(region),
        version: ApiVersion::V2,
        environment: Environment::Production,
        credentials: Credentials::parse(access_key, "secret").unwrap(),
        contract: Arc::new(Contract::built_in()),
        accepted_writes: Vec::new(),
        limits,
        timeouts: Timeouts::default(),
    }
}

impl Registry {
    fn with(&self, integration: &str, access_key: &str, limits: Limits) -> Arc<Account> {
        self.client(integration, &config(Region::Eu, access_key, limits)).unwrap();
        self.account(integration)
    }

    fn account(&self, integration: &str) -> Arc<Account> {
        Arc::clone(&self.lock()[integration].account)
    }

    fn limits(&self, integration: &str) -> Limits {
        self.account(integration).bucket().limits()
    }
}

#[tokio::test]
async fn integrations_of_one_account_share_bucket_and_breaker_but_not_the_client() {
    let registry = registry();
    let one = registry.with("one", "KEY", Limits::default());
    let other = registry.with("other", "KEY", Limits::default());
    assert!(Arc::ptr_eq(&one, &other));
    let client = |integration| registry.current(integration).unwrap();
    assert!(!client("one").is_same(&client("other")));

    let another = registry.with("another", "KEY2", Limits::default());
    assert!(!Arc::ptr_eq(&one, &another), "another key");
    registry.client("us", &config(Region::Us, "KEY", Limits::default())).unwrap();
    assert!(!Arc::ptr_eq(&one, &registry.account("us")), "another endpoint");
}

#[tokio::test]
async fn rates_are_those_of_accounts_not_of_integrations() {
    let registry = registry();
    assert_eq!(registry.rates(), Rates::default());
    registry.with("one", "KEY", limits(Some(20), 4));
    registry.with("other", "KEY", limits(Some(20), 4));
    registry.with("another", "KEY2", limits(Some(5), 4));
    let rates = registry.rates();
    assert_eq!((rates.accounts, rates.limited, rates.in_flight), (2, 0, 0));
    assert_eq!(rates.lowest, Some(5.0));
}

#[tokio::test]
async fn the_strictest_limits_apply_and_are_recomputed_on_each_change() {
    let registry = registry();
    registry.with("one", "KEY", limits(None, 8));
    assert_eq!(registry.limits("one"), limits(None, 8));
    registry.with("other", "KEY", limits(Some(20), 4));
    registry.with("third", "KEY", limits(Some(10), 6));
    assert_eq!(registry.limits("one"), limits(Some(10), 4));
    registry.with("third", "KEY", limits(Some(30), 2));
    assert_eq!(registry.limits("one"), limits(Some(20), 2), "reconfigured");
    registry.forget("other");
    assert_eq!(registry.limits("one"), limits(Some(30), 2), "forgotten");
    registry.client("third", &config(Region::Us, "KEY", limits(Some(30), 2))).unwrap();
    assert_eq!(registry.limits("one"), limits(None, 8), "moved to another endpoint");
}

#[tokio::test]
async fn a_rotated_key_keeps_its_account_unless_the_new_key_has_one() {
    let registry = registry();
    let one = registry.with("one", "OLD", limits(Some(20), 8));
    let other = registry.with("other", "OLD", limits(Some(10), 8));
    one.create_took(Duration::from_secs(3));
    // The first to rotate keeps the shared state; the second finds it under the new key.
    let one = registry.with("one", "NEW", limits(Some(20), 8));
    assert!(Arc::ptr_eq(&one, &other));
    let other = registry.with("other", "NEW", limits(Some(10), 8));
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(registry.limits("one"), limits(Some(10), 8));
    let delay = registry.current("one").unwrap().lookup_delay();
    assert_eq!(delay, Duration::from_secs(6), "twice the slowest create, shared by both");

    let third = registry.with("third", "OTHER", limits(Some(5), 8));
    assert!(!Arc::ptr_eq(&one, &third));
    assert!(Arc::ptr_eq(&third, &registry.with("other", "OTHER", limits(Some(10), 8))), "joined");
    assert_eq!(registry.limits("one"), limits(Some(20), 8), "left");
    assert_eq!(registry.limits("other"), limits(Some(5), 8));
}
