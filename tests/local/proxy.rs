//! Outbound requests through a proxy: only one that the command line names, and as a real process.

use std::{
    net::{IpAddr, SocketAddr},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use clinch_operator::network::{OutboundProxy, Reach, Resolver, guarded_client};
use futures::future::BoxFuture;

use crate::{
    apply::{apply, shown},
    forward_proxy::Proxy,
    killed::{SOON, assert_exactly_once, stage},
};

const PEOPLE: u64 = 8;
/// No name server knows it: only a proxy can contact it.
const CLINCH: &str = "http://clinch.invalid";
/// `ann:pass-5309`
const AUTHORIZATION: &str = "Basic YW5uOnBhc3MtNTMwOQ==";

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn without_proxies(command: &mut Command) {
    for name in clinch_operator::network::AMBIENT_PROXIES {
        command.env_remove(name);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_through_the_proxy_that_the_command_line_names() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let manifests = folder.path().join("manifests.yaml");
    let text = std::fs::read_to_string(&manifests).unwrap();
    std::fs::write(&manifests, text.replace(&sandbox.base_url(), CLINCH)).unwrap();
    let upstream: SocketAddr = sandbox.base_url()["http://".len()..].parse().unwrap();
    let proxy = Proxy::start(upstream, Some(AUTHORIZATION)).await;

    let start = |password: &str, more: &[&str]| {
        let mut command = apply(&manifests, &folder.path().join("state"), CLINCH);
        without_proxies(&mut command);
        let url = format!("http://ann:{password}@{}", proxy.address);
        command.args(["--log", "debug", "--proxy", &url]).args(more);
        run(command)
    };
    let mut refused = start("wrong-5309", &["--timeout", "2"]).await;
    if !shown(&refused).contains("EndpointUnreachable") {
        // A slow machine needs longer to get there.
        refused = start("wrong-5309", &["--timeout", "60"]).await;
    }
    assert_eq!(refused.status.code(), Some(3), "{}", shown(&refused));
    assert!(shown(&refused).contains("EndpointUnreachable"), "{}", shown(&refused));
    assert!(proxy.requests().is_empty());

    let output = start("pass-5309", &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_exactly_once(&sandbox, PEOPLE, "through the proxy");
    let requests = proxy.requests();
    assert!(requests.len() as u64 > PEOPLE, "{requests:?}");
    let target = format!(" {CLINCH}/v2");
    assert!(requests.iter().all(|request| request.contains(&target)), "{requests:?}");
    for output in [refused, output] {
        assert!(!shown(&output).contains("5309"), "{}", shown(&output));
    }

    // What is listed is contacted directly: the name cannot be resolved here.
    let direct = start("pass-5309", &["--no-proxy", "invalid", "--timeout", "2"]).await;
    assert_eq!(direct.status.code(), Some(3), "{}", shown(&direct));
    assert_eq!(proxy.requests(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_used_and_named_once() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let manifests = folder.path().join("manifests.yaml");
    let mut command = apply(&manifests, &folder.path().join("state"), &sandbox.base_url());
    without_proxies(&mut command);
    // Nothing listens on the discard port.
    command.env("HTTPS_PROXY", "http://ann:pass-5309@127.0.0.1:9");
    command.env("http_proxy", "http://127.0.0.1:9");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_exactly_once(&sandbox, PEOPLE, "directly");
    let shown = shown(&output);
    assert_eq!(shown.matches("ignoring HTTPS_PROXY, http_proxy of the").count(), 1, "{shown}");
    assert!(!shown.contains("5309"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_is_contacted_as_the_kubeconfig_says_whatever_proxy_is_set() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let at = |proxy: &str| {
        let address = server.local_addr().unwrap();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             users: [{{name: u, user: {{}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'http://{address}'{proxy}}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        without_proxies(&mut command);
        command
            .args(["run", "--environment", "sandbox", "--admin-listen", "127.0.0.1:0"])
            .env("KUBECONFIG", &kubeconfig)
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap()
    };
    for proxy in ["", ", proxy-url: ''"] {
        let _operator = at(proxy);
        let asked = tokio::time::timeout(SOON, server.accept()).await;
        assert!(asked.is_ok_and(|asked| asked.is_ok()), "the API server is asked directly");
    }
    let proxy = Proxy::start(server.local_addr().unwrap(), None).await;
    let _operator = at(&format!(", proxy-url: 'http://{}'", proxy.address));
    let asked = tokio::time::timeout(SOON, server.accept()).await;
    assert!(asked.is_ok_and(|asked| asked.is_ok()), "the API server is asked");
    assert_eq!(proxy.requests()[0], format!("CONNECT {}", server.local_addr().unwrap()));
}

#[test]
fn a_proxy_url_that_cannot_be_used_is_refused_without_being_shown() {
    for (url, expected) in [
        ("socks5://ann:pass-5309@127.0.0.1:1080", "SOCKS"),
        ("http://ann:pass-5309@", "not a URL"),
        ("http://ann:pass-5309@proxy/path", "remove path"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.args(["apply", "--environment", "sandbox", "-f", ".", "--proxy", url]);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        assert!(shown(&output).contains(expected), "{}", shown(&output));
        assert!(!shown(&output).contains("5309"), "{}", shown(&output));
    }
}

/// Every name is this machine.
struct Here;

impl Resolver for Here {
    fn resolve(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    }
}

#[tokio::test]
async fn what_gives_a_machine_its_identity_is_never_asked_through_the_proxy() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let proxy = Proxy::start(server.local_addr().unwrap(), None).await;
    let chosen = OutboundProxy::parse(&format!("http://{}", proxy.address), ["10.0.0.0/8"]);
    let short = Duration::from_millis(200);
    let client = guarded_client(Arc::new(Here), Reach::Any, short, &chosen.unwrap()).unwrap();
    let client = client.timeout(short).build().unwrap();
    for host in ["metadata.google.internal", "169.254.169.254", "169.254.170.2", "10.1.2.3"] {
        // Nothing answers: where the request goes is what matters.
        let _no_answer = client.get(format!("http://{host}:{port}/")).send().await.is_err();
    }
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    let _no_answer = client.get(format!("http://files.example:{port}/")).send().await.is_err();
    assert_eq!(proxy.requests(), [format!("GET http://files.example:{port}/")]);
}
