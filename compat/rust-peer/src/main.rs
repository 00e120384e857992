//! Drives rasynq through the peer interface (`compat/PEER.md`). It reads requests from stdin and writes
//! answers and events to stdout, one JSON object a line.

mod aggregate;
mod client;
mod config;
mod cron;
mod duration;
mod failure;
mod form;
mod handler;
mod inspector;
mod lines;
mod peer;
mod registry;
mod request;
mod scheduler;
mod script;
mod server;

use std::process::ExitCode;

use rasynq::Connection;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("PEER_LOG").unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let connection = match connection(std::env::args().skip(1)) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::error!("{error:#}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "starting the runtime");
            return ExitCode::FAILURE;
        }
    };
    let (lines, writer) = lines::Lines::start();
    runtime.block_on(peer::Peer::new(connection, lines.clone()).run(tokio::io::stdin()));
    // a script that blocks its thread is not waited for
    runtime.shutdown_background();
    lines.end();
    match writer.join() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reads `--redis URI`.
fn connection(mut args: impl Iterator<Item = String>) -> anyhow::Result<Connection> {
    let mut uri = None;
    while let Some(arg) = args.next() {
        match arg.split_once('=') {
            Some(("--redis" | "-redis", value)) => uri = Some(value.to_owned()),
            None if arg == "--redis" || arg == "-redis" => uri = args.next(),
            _ => anyhow::bail!("unexpected argument: {arg}"),
        }
    }
    let Some(uri) = uri else {
        anyhow::bail!("--redis URI is required");
    };
    Ok(Connection::from_uri(&uri)?)
}
