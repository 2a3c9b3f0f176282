//! Where requests go: allowed origins, private addresses, TLS, and text in a URL.

use std::sync::Arc;

use clinch_operator::{
    api::Region,
    clinch::{AllowedEndpoints, Client, ClinchError, ConnectError, Endpoint},
    network::NoAnswer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::bench::{Bench, Seen, bench, config, deps, key},
    fake_clinch::Fake,
};

#[tokio::test]
async fn an_address_cannot_add_parameters_to_a_look_up() {
    let Bench { fake, client, .. } = bench().await;
    let hostile = "a&per_page=1#b?c=d/../e%26f+g\r\nh;i@example.org";
    // The fake answers nobody, or everybody: the test checks the request.
    let _answer = client.find(&key(hostile)).await;
    let asked = fake.account().requests.pop().unwrap();
    let (method, target) = asked.split_once(' ').unwrap();
    let url = url::Url::parse(&format!("{}{target}", fake.origin())).unwrap();
    assert_eq!((method, url.path(), url.fragment()), ("GET", "/v2/candidates", None));
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["page", "per_page", "filter[email]"]);
    let value = url.query_pairs().last().unwrap().1.into_owned();
    assert_eq!(value, key(hostile).expose());
}

#[tokio::test]
async fn nothing_is_sent_to_an_endpoint_that_is_not_allowed() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut around = deps(&fake.origin(), &seen);
    around.allowed = AllowedEndpoints::documented();
    let refused = Client::connect("uid", config(&fake.origin()), &around);
    assert!(matches!(refused, Err(ConnectError::EndpointNotAllowed(_))));
    assert!(fake.account().requests.is_empty());
}

struct Rebound;

impl clinch_operator::network::Resolver for Rebound {
    fn resolve(
        &self,
        _: String,
    ) -> futures::future::BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    }
}

#[tokio::test]
async fn a_documented_host_that_resolves_to_a_private_address_is_refused() {
    let seen = Arc::new(Seen::default());
    let mut around = deps("https://unused.example", &seen);
    around.allowed = AllowedEndpoints::documented();
    around.resolver = Arc::new(Rebound);
    let mut config = config("https://unused.example");
    config.endpoint = Endpoint::of_region(Region::Us);
    let client = Client::connect("uid", config, &around).unwrap();
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::EndpointNotAllowed);
}

#[tokio::test]
async fn unreachable_and_tls_failures_are_distinguished() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    // A server that speaks no TLS.
    let answering = tokio::spawn(async move {
        let mut hello = [0; 16];
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 x\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let origin = format!("https://127.0.0.1:{port}");
    let client = Client::connect("uid", config(&origin), &deps(&origin, &seen)).unwrap();
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Tls);
    answering.abort();
    let _ = answering.await;
    assert_eq!(
        client.verify().await.unwrap_err(),
        ClinchError::Unreachable(NoAnswer::ConnectionRefused)
    );
}
