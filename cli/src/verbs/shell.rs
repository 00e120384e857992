//! `rasynq completions`, `rasynq man`, `rasynq version`: what the shell and the reader need. No Redis.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::args::{Arguments, CompletionsArguments, ManArguments};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn completions(
    arguments: &CompletionsArguments,
    output: &Output,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "rasynq",
        &mut script,
    );
    output.print(String::from_utf8_lossy(&script).trim_end())
}

pub(super) fn version(output: &Output) -> Result<(), Failure> {
    output.print(concat!("rasynq ", env!("CARGO_PKG_VERSION")))
}

pub(super) fn man(arguments: &ManArguments, output: &Output) -> Result<(), Failure> {
    let mut root = Arguments::command();
    root.build();
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).map_err(|error| in_folder(folder, &error))?;
        return write_pages(&root, folder);
    }
    let mut command = &root;
    for name in &arguments.verb {
        let found = command.get_subcommands().find(|verb| {
            verb.get_name() == name || verb.get_all_aliases().any(|alias| alias == name)
        });
        command = found.ok_or_else(|| Failure::usage(format!("there is no verb {name:?}")))?;
    }
    output.print(page(command)?.trim_end())
}

/// The page of a verb, in the language of `man`.
fn page(command: &clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .render(&mut page)
        .map_err(Failure::io)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_pages(command: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command)?).map_err(|error| in_folder(&path, &error))?;
    for verb in command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        write_pages(verb, folder)?;
    }
    Ok(())
}

fn in_folder(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
