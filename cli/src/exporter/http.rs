//! The HTTP server: `/metrics`, `/healthz`, and a page that names them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::exposition;
use super::series::scrape;
use super::shared::SharedReadings;

/// How many connections may be open at once. Others wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after the system has no file for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const HOME: &str = "rasynq metrics\n\n/metrics  the figures, for Prometheus\n/healthz  whether this process answers\n";

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, readings: Arc<SharedReadings>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let readings = Arc::clone(&readings);
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &readings));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    readings: &SharedReadings,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, kind, text) = match request.uri().path() {
        "/metrics" | "/healthz" | "/" if !is_read => {
            let text = "only GET and HEAD\n".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, text)
        }
        "/metrics" => {
            let reading = readings.next().await;
            let status = match &*reading {
                Ok(_) => StatusCode::OK,
                Err(error) => {
                    tracing::warn!(error, "a scrape without figures");
                    StatusCode::SERVICE_UNAVAILABLE
                }
            };
            (status, exposition::CONTENT_TYPE, scrape(&reading))
        }
        "/healthz" => (StatusCode::OK, PLAIN, "ok\n".to_owned()),
        "/" => (StatusCode::OK, PLAIN, HOME.to_owned()),
        _ => (StatusCode::NOT_FOUND, PLAIN, "no such page\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    Ok(response)
}

const PLAIN: &str = "text/plain; charset=utf-8";
