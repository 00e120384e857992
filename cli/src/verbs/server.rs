//! `rasynq server …`

use rasynq::Inspector;

use crate::args::ServerCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::views::{ServerView, server_table, worker_table};

pub(super) async fn run(
    command: ServerCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let ServerCommand::List(arguments) = command;
    let servers = inspector.servers().await?;
    if output.is_json() {
        let views: Vec<ServerView> = servers.iter().map(ServerView::from).collect();
        return output.print_json(&views);
    }
    if servers.is_empty() {
        output.note("no running servers");
        return Ok(());
    }
    let now = inspector.redis_time().await;
    output.print(&server_table(&servers, now).text())?;
    match worker_table(&servers, now) {
        Some(table) if arguments.workers => output.print(&format!("\n{}", table.text())),
        _ => Ok(()),
    }
}
