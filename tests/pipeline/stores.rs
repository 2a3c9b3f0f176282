//! Object stores as they are met: names that are no files, answers that say what is wrong, variables
//! of other programs in the environment, and ledgers in stores that cannot hold them.

use std::{collections::BTreeMap, io::Read as _, sync::Arc};

use axum::{body::Body, http::Response};
use bytes::Bytes;
use clinch_operator::{
    domain::{Disposition, Reason},
    ledger::{ObjectLedgers, StoreError},
    network::OutboundProxy,
    source::is_told_by_name,
    storage::{AllowedPlaces, Listing, Location, Place, PlaceError, ReadFault, StoragePolicy},
};
use url::Url;

use crate::{
    fake_store::{FakeStore, answer, error, page},
    forward_proxy::Proxy,
};

fn policy(allowed: &[&str], environment: &[(&str, &str)]) -> Arc<StoragePolicy> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Arc::new(StoragePolicy {
        allowed: AllowedPlaces::listed(allowed.iter().copied()).unwrap(),
        environment: environment.iter().map(owned).collect(),
        ..StoragePolicy::default()
    })
}

/// Lists with a Secret for a store at `origin`.
async fn listed(origin: &str, url: &str) -> Result<Listing, ReadFault> {
    listed_through(origin, url, OutboundProxy::default()).await
}

async fn listed_through(
    origin: &str,
    url: &str,
    proxy: OutboundProxy,
) -> Result<Listing, ReadFault> {
    let fields = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "s3-secret"),
        ("AWS_ENDPOINT_URL", origin),
    ];
    let secret: BTreeMap<String, Bytes> = fields
        .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
        .into();
    let policy = StoragePolicy { proxy, ..(*policy(&["s3://people", origin], &[])).clone() };
    let location = Location::objects(url).unwrap();
    let place = Place::open(location, Some(&secret), &Arc::new(policy)).unwrap();
    place.list(is_told_by_name).await
}

async fn names(origin: &str, url: &str) -> Vec<String> {
    let listing = listed(origin, url).await.unwrap();
    listing.openings.iter().map(|opening| opening.name.to_string()).collect()
}

#[tokio::test]
async fn what_is_no_file_of_records_is_skipped_and_counted() {
    let store = FakeStore::start(|_| {
        page(&[
            ("in/", 0),
            ("in/sub/", 0),
            ("in/_SUCCESS", 0),
            ("in/a.csv", 9),
            ("in/empty.csv", 0),
            ("in//b.txt", 9),
            ("in/./c.txt", 9),
            ("in/d&#1;.txt", 9),
        ])
    })
    .await;
    assert_eq!(names(&store.origin, "s3://people/in/*.csv").await, ["in/a.csv", "in/empty.csv"]);
    let listing = listed(&store.origin, "s3://people/in/[_ae]*").await.unwrap();
    let skipped = listing.skipped;
    assert_eq!((skipped.folders, skipped.empty, skipped.odd_names), (2, 1, 3));
    assert_eq!(listing.openings.len(), 2);
    let nothing = listed(&store.origin, "s3://people/in/_*").await.unwrap_err();
    assert_eq!(nothing, ReadFault::NoMatch { skipped: true });
    assert_eq!(nothing.disposition().reason(), Reason::SourceNotFound);
}

#[tokio::test]
async fn an_odd_name_that_a_pattern_selects_is_named() {
    let store = FakeStore::start(|_| {
        page(&[("in/a.csv", 9), ("in/d&#10;e.csv", 9), ("in/sub//f.json", 9)])
    })
    .await;
    for (pattern, name) in [("in/*", "in/d\\ne.csv"), ("in/**/*.json", "in/sub//f.json")] {
        let fault = listed(&store.origin, &format!("s3://people/{pattern}")).await.unwrap_err();
        assert_eq!(fault, ReadFault::OddName(name.into()), "{pattern}");
        let stalled = Disposition::Stalled { reason: Reason::SourceInvalid };
        assert_eq!(fault.disposition(), stalled, "{pattern}");
    }
}

const AZURE_PAGE: &str = "<?xml version=\"1.0\"?><EnumerationResults><Blobs>\
    <Blob><Name>in/folder</Name><Properties><Last-Modified>Thu, 26 Nov 2026 10:00:00 GMT\
    </Last-Modified><Content-Length>0</Content-Length><Content-Type>x</Content-Type><Etag>1</Etag>\
    </Properties></Blob><Blob><Name>in/a.csv</Name><Properties><Last-Modified>Thu, 26 Nov 2026 \
    10:00:00 GMT</Last-Modified><Content-Length>9</Content-Length><Content-Type>x</Content-Type>\
    <Etag>2</Etag></Properties></Blob></Blobs><NextMarker/></EnumerationResults>";

#[tokio::test]
async fn a_folder_marker_of_azure_is_known_by_its_metadata() {
    let store = FakeStore::start(|asked: &str| match asked {
        asked if asked.contains("comp=list") => answer(200, &[], AZURE_PAGE),
        _ => answer(
            200,
            &[
                ("last-modified", "Thu, 26 Nov 2026 10:00:00 GMT"),
                ("etag", "1"),
                ("x-ms-meta-hdi_isfolder", "true"),
            ],
            "",
        ),
    })
    .await;
    let secret: BTreeMap<String, Bytes> = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme".to_owned()),
        ("AZURE_STORAGE_SAS_KEY", "sv=1&sig=2".to_owned()),
        ("AZURE_STORAGE_ENDPOINT", format!("{}/acme", store.origin)),
    ]
    .map(|(name, value)| (name.to_owned(), Bytes::from(value)))
    .into();
    let open = |allowed: &str| {
        let policy = policy(&[allowed, &store.origin], &[]);
        Place::open(Location::objects("az://people/in/*").unwrap(), Some(&secret), &policy)
    };
    let listing = open("az://acme/people").unwrap().list(is_told_by_name).await.unwrap();
    assert_eq!((listing.openings.len(), listing.skipped.folders), (1, 1));
    assert!(
        store.asked().iter().all(|asked| asked.contains("/acme/people")),
        "{:?}",
        store.asked()
    );
    let other = open("az://other/people").unwrap_err();
    assert!(matches!(other, PlaceError::AccountNotAllowed(..)), "{other}");
}

/// The reason and message of a list and of a single object that are answered alike.
async fn both(
    respond: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) -> [(Reason, bool, String); 2] {
    let store = FakeStore::start(move |_| respond()).await;
    let mut found = Vec::new();
    for url in ["s3://people/in/*.csv", "s3://people/in/a.csv"] {
        let fault = listed(&store.origin, url).await.unwrap_err();
        let stalled = matches!(fault.disposition(), Disposition::Stalled { .. });
        found.push((fault.disposition().reason(), stalled, fault.to_string()));
    }
    found.try_into().unwrap()
}

#[tokio::test]
async fn what_is_wrong_with_a_store_is_told_apart_with_what_to_do() {
    use Reason::{SourceDenied, SourceInvalid, SourceNotFound, SourceUnreachable};
    const NONE: &[(&str, &str)] = &[];
    const REGION: &[(&str, &str)] = &[("x-amz-bucket-region", "eu-west-1")];
    const GO: &str = "Client sent an HTTP request to an HTTPS server.";
    const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
    let coded = |status, headers: &'static [(&str, &str)], code: &str| {
        (status, headers, format!("<Error><Code>{code}</Code></Error>"))
    };
    for ((status, headers, body), reason, stalls, says) in [
        (coded(301, REGION, "PermanentRedirect"), SourceInvalid, true, "eu-west-1: set AWS_REGION"),
        (coded(400, REGION, "AuthorizationHeaderMalformed"), SourceInvalid, true, "in eu-west-1"),
        (coded(403, &[], "RequestTimeTooSkewed"), SourceUnreachable, false, "NTP"),
        (coded(403, &[], "InvalidObjectState"), SourceInvalid, true, "restore it"),
        (coded(404, &[], "NoSuchBucket"), SourceNotFound, false, "no such bucket"),
        (coded(403, &[], "InvalidAccessKeyId"), SourceDenied, true, "(InvalidAccessKeyId)"),
        (coded(400, &[], "ExpiredToken"), SourceDenied, true, "have expired"),
        (coded(400, &[], "RequestTimeout"), SourceUnreachable, false, "fails"),
        ((400, NONE, GO.to_owned()), SourceInvalid, true, "wants TLS"),
        ((403, HTML, "<html>log in</html>".to_owned()), SourceInvalid, true, "HTML page"),
        ((307, NONE, String::new()), SourceInvalid, true, "redirects"),
    ] {
        let text = body.clone();
        let [list, object] = both(move || answer(status, headers, text.clone())).await;
        for found in [&list, &object] {
            assert_eq!((found.0, found.1), (reason, stalls), "{status} {body}: {}", found.2);
            assert!(found.2.contains(says), "{status} {body}: {}", found.2);
        }
    }
    let store = FakeStore::start(|_| answer(200, HTML, "<html>log in</html>")).await;
    let page = listed(&store.origin, "s3://people/in/*.csv").await.unwrap_err();
    assert!(page.to_string().contains("HTML page (status 200)"), "{page}");
    let [list, object] = both(|| error(403, "AccessDenied")).await;
    assert!(list.2.contains("may not list the bucket (AccessDenied)"), "{}", list.2);
    assert!(list.2.contains("s3:ListBucket") && list.0 == SourceDenied, "{}", list.2);
    assert!(object.2.contains("are refused (AccessDenied)") && object.0 == SourceDenied);
}

#[tokio::test]
async fn a_throttled_request_is_repeated_and_then_waits() {
    let store = FakeStore::start(|_| error(503, "SlowDown")).await;
    let fault = listed(&store.origin, "s3://people/in/*.csv").await.unwrap_err();
    assert_eq!(fault.disposition(), Disposition::retry(Reason::SourceUnreachable));
    assert!(fault.to_string().contains("fewer requests"), "{fault}");
    assert_eq!(store.asked().len(), 4, "three more attempts");
}

#[tokio::test]
async fn a_missing_object_of_a_bucket_that_exists_is_missing() {
    let store = FakeStore::start(|asked: &str| match asked {
        asked if asked.contains("list-type") => page(&[]),
        _ => answer(404, &[], ""),
    })
    .await;
    let fault = listed(&store.origin, "s3://people/in/a.csv").await.unwrap_err();
    assert_eq!(fault, ReadFault::Missing);
    let nothing = listed(&store.origin, "s3://people/in/*.csv").await.unwrap_err();
    assert_eq!(nothing, ReadFault::NoMatch { skipped: false });
}

/// A TLS server with a certificate that nobody signed.
fn self_signed() -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let mut socket = socket;
            let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
            // The client ends the handshake.
            let _ended = rustls::Stream::new(&mut server, &mut socket).read(&mut [0]).is_err();
        }
    });
    origin
}

#[tokio::test]
async fn how_a_server_cannot_be_reached_is_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nothing_listens = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let plain = FakeStore::start(|_| answer(200, &[], "")).await;
    let speaks_no_tls = plain.origin.replace("http://", "https://");
    let cuts = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let cut = format!("http://{}", cuts.local_addr().unwrap());
    std::thread::spawn(move || cuts.incoming().for_each(drop));
    for (origin, says, stalls) in [
        (nothing_listens, "refuses the connection", false),
        ("http://store.invalid".to_owned(), "cannot be resolved", false),
        (self_signed(), "unknown authority", false),
        (speaks_no_tls, "does not speak TLS", true),
        (cut, "closed the connection", false),
    ] {
        let fault = listed(&origin, "s3://people/in/*.csv").await.unwrap_err();
        assert!(fault.to_string().contains(says), "{origin}: {fault}");
        let is_stalled = matches!(fault.disposition(), Disposition::Stalled { .. });
        assert_eq!(is_stalled, stalls, "{origin}: {fault}");
    }
    let unused = FakeStore::start(|_| page(&[])).await;
    let upstream = unused.origin["http://".len()..].parse().unwrap();
    let proxy = Proxy::start(upstream, Some("Basic none")).await;
    let chosen = OutboundProxy::parse(&format!("http://{}", proxy.address), []).unwrap();
    for origin in ["http://store.invalid", "https://store.invalid"] {
        let fault = listed_through(origin, "s3://people/*", chosen.clone()).await.unwrap_err();
        assert!(fault.to_string().contains("(407)"), "{origin}: {fault}");
    }
}

#[tokio::test]
async fn the_operators_identity_reads_no_other_bucket_than_the_url_names() {
    let store = FakeStore::start(|asked: &str| match asked {
        asked if asked.contains("comp=list") => answer(200, &[], AZURE_PAGE),
        _ => page(&[("in/a.csv", 9)]),
    })
    .await;
    let azure = format!("{}/acme", store.origin);
    let s3 = [
        ("AWS_BUCKET", "other"),
        ("AWS_BUCKET_NAME", "other"),
        ("AWS_ENDPOINT", store.origin.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let gcs = [
        ("GOOGLE_BUCKET", "other"),
        ("GOOGLE_BUCKET_NAME", "other"),
        ("GOOGLE_BASE_URL", store.origin.as_str()),
        ("GOOGLE_SKIP_SIGNATURE", "true"),
    ];
    let blobs = [
        ("AZURE_CONTAINER_NAME", "other"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
        ("AZURE_STORAGE_SAS_KEY", "sv=1&sig=2"),
        ("AZURE_STORAGE_ENDPOINT", azure.as_str()),
        ("AZURE_ALLOW_HTTP", "true"),
    ];
    for (allowed, url, environment) in [
        ("s3://people", "s3://people/in/a*", &s3[..]),
        ("gs://people", "gs://people/in/a*", &gcs[..]),
        ("az://acme/people", "az://people/in/a*", &blobs[..]),
    ] {
        let before = store.asked().len();
        let location = Location::objects(url).unwrap();
        let place = Place::open(location, None, &policy(&[allowed], environment)).unwrap();
        assert_eq!(place.list(is_told_by_name).await.unwrap().openings.len(), 1, "{url}");
        let asked = store.asked().split_off(before);
        assert!(!asked.is_empty(), "{url}");
        let is_of_people = |asked: &String| asked.contains("/people") && !asked.contains("other");
        assert!(asked.iter().all(is_of_people), "{asked:?}");
    }
    // What the operator's own store may not do in plain http, nothing does.
    let without = &[&s3[..3], &s3[4..]].concat();
    let location = Location::objects("s3://people/in/a*").unwrap();
    let place = Place::open(location, None, &policy(&["s3://people"], without)).unwrap();
    let fault = place.list(is_told_by_name).await.unwrap_err();
    assert!(fault.to_string().contains("AWS_ALLOW_HTTP"), "{fault}");
}

/// Checks whether ledgers can be kept in a store that answers like this.
async fn checked(
    respond: impl Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static,
) -> Result<(), StoreError> {
    let store = FakeStore::start(respond).await;
    let environment = [
        ("AWS_ENDPOINT", store.origin.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = Url::parse("s3://ledgers/here").unwrap();
    let ledgers = ObjectLedgers::at(&url, environment, &OutboundProxy::default()).unwrap();
    ledgers.check("pod-1").await
}

#[tokio::test]
async fn a_store_that_cannot_hold_ledgers_is_found_out_before_anybody_is_pushed() {
    let created = |asked: &str| match asked.split_once(' ').unwrap().0 {
        "PUT" => answer(200, &[("etag", "\"e\"")], ""),
        "POST" => answer(200, &[], "<DeleteResult></DeleteResult>"),
        _ => page(&[]),
    };
    // It ignores the condition.
    assert_eq!(checked(created).await, Err(StoreError::NoFence));
    let not_implemented = move |asked: &str| match asked {
        asked if asked.starts_with("PUT") => error(501, "NotImplemented"),
        other => created(other),
    };
    assert_eq!(checked(not_implemented).await, Err(StoreError::NoFence));
    for (refused, verb) in [("GET", "list"), ("PUT", "create")] {
        let refuse = move |asked: &str| match asked {
            asked if asked.starts_with(refused) => error(403, "AccessDenied"),
            other => created(other),
        };
        let error = checked(refuse).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::retry(Reason::LedgerRefused));
        let says = format!("does not {verb} segments: ");
        assert!(error.to_string().contains(&says), "{error}");
        assert!(error.to_string().contains("(AccessDenied)"), "{error}");
    }
    let missing = checked(|_| error(404, "NoSuchBucket")).await.unwrap_err();
    assert!(missing.to_string().contains("no such bucket"), "{missing}");
    let down = checked(|_| error(503, "SlowDown")).await.unwrap_err();
    assert_eq!(down.disposition(), Disposition::retry(Reason::LedgerUnreachable));
}

#[tokio::test]
async fn a_store_is_reached_through_the_proxy() {
    let store = FakeStore::start(|_| page(&[("in/a.csv", 9)])).await;
    let proxy = Proxy::start(store.origin["http://".len()..].parse().unwrap(), None).await;
    let chosen = OutboundProxy::parse(&format!("http://{}", proxy.address), []).unwrap();
    let listing = listed_through("http://store.invalid", "s3://people/in/*", chosen).await.unwrap();
    assert_eq!(listing.openings.len(), 1);
    assert_eq!(proxy.requests().len(), 1);
    assert!(proxy.requests()[0].starts_with("GET http://store.invalid/people?"));
}
