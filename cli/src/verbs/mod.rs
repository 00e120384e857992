//! What the verbs do: one file a noun.

mod cron;
mod doctor;
mod each;
mod examples;
mod group;
mod man;
mod overview;
mod queue;
mod server;
mod shell;
mod stats;
mod task;
mod watch;

use rasynq::Inspector;
pub(crate) use shell::version;

use crate::args::{Arguments, Command, CronCommand};
use crate::dash::{self, DashOptions};
use crate::exporter;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::{self, Settings};

/// Runs the verb that the arguments name.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let connection = &arguments.global.connection;
    match arguments.command {
        Command::Completions(arguments) => return shell::completions(&arguments, output),
        Command::Man(arguments) => return man::run(&arguments, output),
        Command::Version => return shell::version(output),
        Command::Cron(CronCommand::Next(arguments)) => return cron::next(&arguments, output),
        Command::Dash(_) => dash::check_terminal()?,
        _ => {}
    }
    let Settings {
        connection,
        is_cluster,
    } = settings::read(connection)?;
    if let Command::Metrics(options) = &arguments.command {
        return exporter::run(&connection, options, output).await;
    }
    if let Command::Watch(options) = &arguments.command {
        return watch::run(options, &connection, output).await;
    }
    let inspector = Inspector::connect(&connection).await?;
    match arguments.command {
        Command::Stats(options) => stats::run(&options, &inspector, output).await,
        Command::Queue(command) => queue::run(command, is_cluster, &inspector, output).await,
        Command::Task(command) => task::run(command, &connection, &inspector, output).await,
        Command::Group(command) => group::run(command, &inspector, output).await,
        Command::Server(command) => server::run(command, &inspector, output).await,
        Command::Cron(command) => cron::run(command, &inspector, output).await,
        Command::Dash(options) => {
            let options = DashOptions {
                address: connection.to_string(),
                refresh: options.refresh,
                colours: output.has_colours(),
            };
            dash::run(inspector, options).await
        }
        Command::Doctor(options) => doctor::run(&options, &inspector, output).await,
        Command::Completions(_)
        | Command::Man(_)
        | Command::Metrics(_)
        | Command::Version
        | Command::Watch(_) => Ok(()),
    }
}
