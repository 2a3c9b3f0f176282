//! The process and what it depends on outside: a store for ledgers that cannot be used yet, and
//! servers with a certificate of a private authority.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    apply::{apply, shown},
    fake_store::{FakeStore, answer, error, page},
    forward_proxy::Proxy,
    killed::{SOON, stage},
};

/// Asks until the answer is as expected.
async fn until(url: &str, expected: impl Fn(&str) -> bool) -> String {
    clinch_operator::network::install_tls_provider();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let started = Instant::now();
    loop {
        let text = match http.get(url).send().await {
            Ok(found) => found.text().await.unwrap(),
            Err(_) => "it does not listen".to_owned(),
        };
        if expected(&text) {
            return text;
        }
        assert!(started.elapsed() < SOON, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_names_why_ledgers_cannot_be_kept_until_they_can() {
    let granted = Arc::new(AtomicBool::new(false));
    let there = Arc::new(AtomicBool::new(false));
    let (may, exists) = (granted.clone(), there.clone());
    let store = FakeStore::start(move |asked: &str| {
        let key = "here/probe-pod-1/00000000000000000000.ledger";
        match asked.split_once(' ').unwrap().0 {
            "PUT" if !may.load(Ordering::Relaxed) => error(403, "AccessDenied"),
            "PUT" if exists.swap(true, Ordering::Relaxed) => error(412, "PreconditionFailed"),
            "PUT" => answer(200, &[("etag", "\"e\"")], ""),
            "DELETE" => {
                exists.store(false, Ordering::Relaxed);
                answer(204, &[], "")
            }
            _ if exists.load(Ordering::Relaxed) => page(&[(key, 5)]),
            _ => page(&[]),
        }
    })
    .await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // No API server is needed before ledgers can be kept.
    std::fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n\
         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n",
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .args(["run", "--environment", "sandbox", "--admin-listen", &admin])
        .args(["--identity", "pod-1", "--ledger-url", "s3://ledgers/here"])
        .env("KUBECONFIG", &kubeconfig)
        .env("AWS_ENDPOINT", &store.origin)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "AKLEDGER")
        .env("AWS_SECRET_ACCESS_KEY", "ledger-5309")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let operator = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let url = format!("http://{admin}/readyz");
    let cause = "does not create segments: the credentials are refused (AccessDenied)";
    until(&url, |text| text.contains(cause)).await;
    granted.store(true, Ordering::Relaxed);
    let next = "waiting for the CRDs: the API server failed to get the kinds of \
                clinch.hireez.dev/v1alpha1 (no answer)\n";
    until(&url, |text| text == next).await;
    assert!(!there.load(Ordering::Relaxed), "nothing is left behind");

    let pid = operator.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let output = operator.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(log.matches("nothing is pushed before ledgers can be kept").count(), 1, "{log}");
    assert!(log.contains(cause) && !log.contains("5309"), "{log}");
}

/// No name server knows it: only a proxy can contact it.
const NAMED: &str = "files.invalid";
const ROWS: &str = "First Name,Email\nAda,ada@example.com\n";

/// A server of one file, with a certificate that it signed itself; its origin, and the certificate.
fn private() -> (String, String) {
    let made =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), NAMED.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let (config, listener) =
        (Arc::new(config), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let origin = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut server, &mut socket);
            let (mut head, mut byte) = (Vec::new(), [0]);
            // A client that trusts nobody ends the handshake.
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let body = if head.starts_with(b"HEAD") { "" } else { ROWS };
            let length = ROWS.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _cut = stream.write_all(answer.as_bytes()).is_err();
            stream.conn.send_close_notify();
            let _cut = stream.flush().is_err();
        }
    });
    (origin, made.cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_once_ssl_cert_file_names_it() {
    let (sandbox, folder) = stage(1).await;
    let (origin, certificate) = private();
    let manifests = folder.path().join("manifests.yaml");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certificate).unwrap();
    let missing = folder.path().join("no-roots.pem");
    let run = |trusted: Option<&Path>, more: &[&str]| {
        let mut command = apply(&manifests, &folder.path().join("state"), &sandbox.base_url());
        command.args(["--allowed-sources", &origin]).args(more);
        command.envs(trusted.map(|roots| ("SSL_CERT_FILE", roots)));
        command.output().unwrap()
    };
    let text = std::fs::read_to_string(&manifests).unwrap();
    let source = format!("http: {{url: '{origin}/people.csv'}}");
    let text = regex::Regex::new(r"configMapRef: \{[^}]*\}").unwrap().replace(&text, &source);
    assert!(text.contains(&source), "{text}");
    std::fs::write(&manifests, text.as_bytes()).unwrap();

    // The account, over http, works in any case.
    for trusted in [None, Some(missing.as_path())] {
        let said = |output: &Output| shown(output).contains("unknown authority");
        // A slow machine needs longer to get there.
        let output = Some(run(trusted, &["--timeout", "3"])).filter(said);
        let output = output.unwrap_or_else(|| run(trusted, &["--timeout", "60"]));
        assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
        assert!(shown(&output).contains("unknown authority"), "{}", shown(&output));
    }
    let output = run(Some(&roots), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let people = sandbox.people("hireEZ");
    assert_eq!(people.len(), 1);
    assert_eq!(people[0]["attributes"]["email"], "ada@example.com");

    // The same file through a proxy that knows the name: TLS is tunnelled and ends at the server.
    let proxy = Proxy::start(origin["https://".len()..].parse().unwrap(), None).await;
    let elsewhere = text.replace(&origin, &format!("https://{NAMED}"));
    std::fs::write(&manifests, elsewhere.replace("name: people}", "name: tunnelled}")).unwrap();
    let url = format!("http://{}", proxy.address);
    let allowed = format!("https://{NAMED}");
    let more = ["--proxy", &url, "--no-proxy", "127.0.0.1", "--allowed-sources", &allowed];
    let output = run(Some(&roots), &more);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert!(shown(&output).contains("1/1"), "{}", shown(&output));
    let tunnel = format!("CONNECT {NAMED}:443");
    assert!(!proxy.requests().is_empty());
    assert!(proxy.requests().iter().all(|request| *request == tunnel), "{:?}", proxy.requests());
}
