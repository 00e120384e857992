//! What the verbs do: one file a noun.

mod cron;
mod doctor;
mod group;
mod queue;
mod server;
mod shell;
mod stats;
mod task;
mod watch;

use rasynq::Inspector;

use crate::args::{Arguments, Command};
use crate::dash::{self, DashOptions};
use crate::failure::Failure;
use crate::output::Output;
use crate::{exporter, settings};

/// Runs the verb that the arguments name.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let connection = &arguments.global.connection;
    match arguments.command {
        Command::Completions(arguments) => return shell::completions(&arguments, output),
        Command::Man(arguments) => return shell::man(&arguments, output),
        Command::Version => return shell::version(output),
        Command::Cron(command) if cron::needs_no_redis(&command) => {
            return cron::run_without_redis(command, output);
        }
        _ => {}
    }
    let connection = settings::connection(connection)?;
    if let Command::Metrics(options) = &arguments.command {
        return exporter::run(&connection, options, output).await;
    }
    let inspector = Inspector::connect(&connection).await?;
    match arguments.command {
        Command::Stats => stats::run(&inspector, output).await,
        Command::Queue(command) => queue::run(command, &inspector, output).await,
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
        Command::Watch(options) => watch::run(&options, &inspector, output).await,
        Command::Completions(_) | Command::Man(_) | Command::Metrics(_) | Command::Version => {
            Ok(())
        }
    }
}
