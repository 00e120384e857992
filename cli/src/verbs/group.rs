//! `rasynq group …`

use rasynq::{GroupInfo, Inspector};
use serde::Serialize;

use crate::args::GroupCommand;
use crate::failure::Failure;
use crate::output::{Output, printable};

#[derive(Debug, Serialize)]
struct GroupView {
    group: String,
    size: u64,
}

impl From<GroupInfo> for GroupView {
    fn from(info: GroupInfo) -> Self {
        Self {
            group: info.group,
            size: info.size,
        }
    }
}

pub(super) async fn run(
    command: GroupCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let GroupCommand::List(arguments) = command;
    let groups = inspector.groups(&arguments.queue).await?;
    if output.is_json() {
        let views: Vec<GroupView> = groups.into_iter().map(GroupView::from).collect();
        return output.print_json(&views);
    }
    if groups.is_empty() {
        output.note(&format!(
            "no groups in queue {}",
            printable(&arguments.queue)
        ));
        return Ok(());
    }
    // asynq prints only the names, and scripts read them line by line.
    let names: Vec<_> = groups.iter().map(|group| printable(&group.group)).collect();
    output.print(&names.join("\n"))
}
