//! `rasynq metrics`: serves the figures of all queues to Prometheus. asynq: `metrics_exporter`.
//!
//! `reading` asks Redis, `shared` lets scrapes at the same time share one reading, `series` makes the series, `exposition`
//! writes them as text, and `http` serves it.

mod exposition;
mod http;
mod reading;
mod series;
mod shared;

use std::io;
use std::sync::Arc;

use rasynq::Connection;
use reading::Reader;
use shared::SharedReadings;
use tokio::net::TcpListener;

use crate::args::MetricsArguments;
use crate::failure::Failure;
use crate::output::Output;

/// Serves until a signal ends the process. It starts without Redis too, and connects as soon as Redis is there.
///
/// # Errors
/// A wrong setting of the connection, a Redis that is too old or refuses the login, or an address that is taken.
pub(crate) async fn run(
    connection: &Connection,
    options: &MetricsArguments,
    output: &Output,
) -> Result<(), Failure> {
    let mut reader = Reader::new(connection.clone(), options);
    let address = connection.to_string();
    if let Err(error) = reader.connect().await {
        if error.kind() != rasynq::ErrorKind::Unavailable {
            return Err(error.into());
        }
        tracing::warn!(%error, "Redis does not answer yet");
    }
    let listener = match options.listen.strip_prefix(':') {
        // As Go programs read it. Not every machine has IPv6.
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
        },
        None => TcpListener::bind(&options.listen).await,
    };
    let listener = listener.map_err(|error| {
        let mut failure = Failure::io(error);
        failure.message = format!("listening on {}: {}", options.listen, failure.message);
        failure
    })?;
    let at = listener.local_addr().map_err(Failure::io)?;
    output.note(&format!(
        "rasynq: the metrics of {address} are at http://{at}/metrics"
    ));
    let readings = Arc::new(SharedReadings::new(reader));
    tokio::select! {
        () = http::serve(listener, readings) => Ok(()),
        asked = asked_to_end() => asked.map_err(Failure::io),
    }
}

/// Waits until Ctrl-C or SIGTERM asks the process to end.
async fn asked_to_end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
