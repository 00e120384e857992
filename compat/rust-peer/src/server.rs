//! The op that starts a server.

use std::collections::BTreeMap;

use rasynq::{Connection, RunningServer, Server};
use serde::Deserialize;
use serde_json::json;

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
    ) -> Result<RunningServer, Failure> {
        let reporter = Reporter {
            lines,
            server: self.name.into(),
        };
        let events = self.events.unwrap_or(true);
        let handler = handlers(self.handlers.unwrap_or_default(), &reporter, events)?;
        let mut server = self
            .config
            .unwrap_or_default()
            .apply(Server::new(connection))?;
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
        Ok(server.start(handler).await?)
    }
}
