//! The op that starts a server, and a running server.

use std::collections::BTreeMap;

use rasynq::{Connection, RunningServer, Server};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigForm;
use crate::failure::Failure;
use crate::handler::{Reporter, fields, handlers};
use crate::lines::Lines;
use crate::script::Script;

/// `serve`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServeForm {
    #[serde(default)]
    pub(crate) name: String,
    config: Option<ConfigForm>,
    handlers: Option<BTreeMap<String, Script>>,
    events: Option<bool>,
}

impl ServeForm {
    /// Starts the server.
    pub(crate) async fn start(
        self,
        connection: &Connection,
        lines: Lines,
    ) -> Result<ServerHandle, Failure> {
        let reporter = Reporter {
            lines,
            server: self.name.into(),
        };
        let events = self.events.unwrap_or(true);
        let handler = handlers(self.handlers.unwrap_or_default(), &reporter, events)?;
        let mut server = self
            .config
            .unwrap_or_default()
            .apply(Server::new(connection), events.then(|| reporter.clone()))?;
        if events {
            let failures = reporter.clone();
            server = server
                .error_handler(move |cx, _task, error| {
                    let failed = json!({"error": format!("{error:#}")});
                    failures.report_task("failed", cx.task_id(), fields(failed));
                })
                .health_check(move |health| {
                    let error = health.err().map(|error| error.to_string());
                    reporter.report("health", fields(json!({"error": error})));
                });
        }
        Ok(ServerHandle {
            server: server.start(handler).await?,
            shutting_down: CancellationToken::new(),
        })
    }
}

/// A server, which requests share. Its name is gone once a shutdown begins.
pub(crate) struct ServerHandle {
    server: RunningServer,
    /// Fires when the shutdown begins: pings in flight give up.
    shutting_down: CancellationToken,
}

impl ServerHandle {
    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let ping = self.server.ping();
        match self.shutting_down.run_until_cancelled(ping).await {
            Some(pinged) => Ok(pinged?),
            None => Err(Failure::invalid("the server was shut down")),
        }
    }

    pub(crate) fn stop(&self) {
        self.server.stop();
    }

    pub(crate) async fn shutdown(&self) {
        self.shutting_down.cancel();
        self.server.shutdown().await;
    }
}
