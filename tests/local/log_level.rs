//! The log filter of a running operator, as a real process: shown and changed by its own machine.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, header::HOST};

const SOON: Duration = Duration::from_secs(60);

/// Sends a request; the status and the text of the answer. `None`: nothing listens.
async fn ask(http: &Client, method: &str, url: &str, body: &'static str) -> Option<(u16, String)> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let answer = http.request(method, url).body(body).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.unwrap()))
}

#[tokio::test]
async fn the_log_filter_is_changed_while_the_operator_runs_by_its_own_machine_only() {
    clinch_operator::network::install_tls_provider();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // No API server answers: the operator waits for it.
    std::fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n\
         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n",
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .args(["run", "--environment", "sandbox", "--admin-listen", &admin, "--log", "error"])
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let operator = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{admin}/loglevel");
    let started = Instant::now();
    let first = loop {
        match ask(&http, "GET", &url, "").await {
            Some(answer) => break answer,
            None => assert!(started.elapsed() < SOON, "it does not listen"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(first, (200, "error\n".to_owned()));

    let to = |body| ask(&http, "PUT", &url, body);
    assert_eq!(to("info").await, Some((200, "info\n".to_owned())));
    assert_eq!(to("clinch_operator=debug\n").await, Some((200, "clinch_operator=debug\n".into())));
    let (status, refused) = to("loud").await.unwrap();
    assert!(status == 400 && refused.contains("is no log filter"), "{status} {refused}");
    let elsewhere = http.put(&url).header(HOST, "clinch-operator:8080").body("trace").send();
    assert_eq!(elsewhere.await.unwrap().status(), 403);
    let shown = ask(&http, "GET", &url, "").await;
    assert_eq!(shown, Some((200, "clinch_operator=debug\n".to_owned())), "neither changed it");
    assert_eq!(ask(&http, "DELETE", &url, "").await, Some((200, "error\n".to_owned())));
    assert_eq!(to("off").await, Some((200, "off\n".to_owned())));

    let pid = operator.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let output = operator.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    // Each change is logged under the filter before it.
    let changes: Vec<&str> = log.lines().filter(|line| line.contains("log filter")).collect();
    assert_eq!(changes.len(), 2, "{log}");
    assert!(changes[0].contains("from=info to=clinch_operator=debug"), "{log}");
    assert!(changes[1].contains("from=clinch_operator=debug to=error"), "{log}");
}
