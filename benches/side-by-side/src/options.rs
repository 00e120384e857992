//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::lab::Lab;
use crate::scenario::{ALL, Scenario};

/// What is said about the arguments.
pub(crate) const USAGE: &str =
    "dev/bench [--only NAME]… [--quick] [--rounds N] [--out DIR] [--write-docs] [--list]
  --only NAME    only these scenarios; may hold * at its end, may be given again
  --quick        two rounds, a quarter of the tasks, no queue deeper than 1,000,000
  --rounds N     so many rounds (5)
  --out DIR      where results go (target/bench)
  --write-docs   the results into docs/performance.md too
  --list         the scenarios";

/// What is to be done.
pub(crate) struct Options {
    /// Where and how much.
    pub(crate) lab: Lab,
    /// The directory for results.
    pub(crate) out: PathBuf,
    /// The page to write the results into.
    pub(crate) docs: Option<PathBuf>,
    /// Only tell what there is.
    pub(crate) list: bool,
    only: Vec<String>,
}

impl Options {
    /// Reads arguments.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            lab: Lab {
                go_peer: "compat/bin/go-peer".into(),
                rust_peer: "compat/bin/rust-peer".into(),
                third_party: None,
                redis_server: "redis-server".into(),
                rounds: 0,
                quick: false,
            },
            out: "target/bench".into(),
            docs: None,
            list: false,
            only: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--only" => options.only.push(value()?),
                "--quick" => options.lab.quick = true,
                "--rounds" => options.lab.rounds = value()?.parse().context("--rounds")?,
                "--out" => options.out = value()?.into(),
                "--write-docs" => options.docs = Some("docs/performance.md".into()),
                "--list" => options.list = true,
                "--go-peer" => options.lab.go_peer = value()?.into(),
                "--rust-peer" => options.lab.rust_peer = value()?.into(),
                "--third-party" => options.lab.third_party = Some(value()?.into()),
                "--redis-server" => options.lab.redis_server = value()?.into(),
                other => bail!("unknown argument {other:?}\n{USAGE}"),
            }
        }
        if options.lab.rounds == 0 {
            options.lab.rounds = if options.lab.quick { 2 } else { 5 };
        }
        if let Some(name) = options
            .only
            .iter()
            .find(|name| !ALL.iter().any(|s| fits(name, s.name)))
        {
            bail!("there is no scenario {name:?}; see --list");
        }
        Ok(options)
    }

    /// The scenarios that are to be played.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &'static Scenario> {
        ALL.iter().filter(|scenario| {
            self.only.is_empty() || self.only.iter().any(|name| fits(name, scenario.name))
        })
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
