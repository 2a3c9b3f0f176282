//! `/loglevel` of the admin server: shows and changes the log filter while the process runs. It answers
//! this machine only: a change takes the right to forward ports of the pod.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request},
    http::{HeaderMap, StatusCode, Uri, header::HOST},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};

use super::telemetry::{FilterError, LogFilter};

/// The longest filter, in bytes.
const MAX_FILTER: usize = 1024;

type Answer = (StatusCode, String);

/// The route. The server must provide [`ConnectInfo`].
pub(super) fn route(filter: &LogFilter) -> Router {
    let (shown, set, reset) = (filter.clone(), filter.clone(), filter.clone());
    let show = move || std::future::ready(answer(&shown, Ok(())));
    let set = move |wanted: String| std::future::ready(answer(&set, set.set(&wanted)));
    let reset = move || std::future::ready(answer(&reset, reset.reset()));
    Router::new()
        .route("/loglevel", get(show).put(set).delete(reset))
        .layer(DefaultBodyLimit::max(MAX_FILTER))
        .layer(middleware::from_fn(local_only))
}

/// The filter now in use, or why it was not changed.
fn answer(filter: &LogFilter, changed: Result<(), FilterError>) -> Answer {
    match changed {
        Ok(()) => (StatusCode::OK, format!("{}\n", filter.current())),
        Err(error @ FilterError::Malformed(_)) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
        Err(error @ FilterError::NotInstalled) => (StatusCode::CONFLICT, format!("{error}\n")),
    }
}

async fn local_only(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if is_local(peer.ip(), request.headers()) {
        return next.run(request).await;
    }
    let message = "the log level is shown to, and changed by, this machine only: use kubectl \
                   port-forward, and http://127.0.0.1\n";
    (StatusCode::FORBIDDEN, message).into_response()
}

/// Whether a request comes from this machine, and was meant for it. The proxies of service meshes
/// connect from the pod itself for others (some of them from another address of 127.0.0.0/8), and a web
/// page may have a name of its own resolve to 127.0.0.1: both name another host than this machine.
fn is_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    let here = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Uri>().ok());
    let named = host.as_ref().and_then(Uri::host);
    here.contains(&peer.to_canonical())
        && named.is_some_and(|name| ["127.0.0.1", "[::1]", "localhost"].contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local_and_only_under_its_own_name() {
        let local = |peer: &str, host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            is_local(peer.parse().unwrap(), &headers)
        };
        for (peer, host) in [
            ("127.0.0.1", "127.0.0.1:8080"),
            ("127.0.0.1", "localhost:18080"),
            ("::ffff:127.0.0.1", "localhost"),
            ("::1", "[::1]:8080"),
        ] {
            assert!(local(peer, host), "{peer} {host}");
        }
        for (peer, host) in [
            ("10.1.2.3", "127.0.0.1:8080"),
            ("127.0.0.6", "localhost:8080"),
            ("127.0.0.1", "clinch-operator.clinch-system:8080"),
            ("127.0.0.1", "10.1.2.3:8080"),
            ("127.0.0.1", "localhost.example.com"),
            ("127.0.0.1", ""),
            ("fd00::1", "[::1]:8080"),
        ] {
            assert!(!local(peer, host), "{peer} {host}");
        }
        assert!(!is_local("127.0.0.1".parse().unwrap(), &HeaderMap::new()));
    }
}
