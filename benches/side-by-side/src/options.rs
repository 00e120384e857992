//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::scenario::{ALL, Scenario};
use crate::setup::Setup;

/// The help on the arguments.
pub(crate) const USAGE: &str =
    "dev/bench [--only NAME]… [--quick] [--rounds N] [--out DIR] [--write-docs] [--list]
  --only NAME    run this scenario; NAME may end in *, and the option may be repeated
  --quick        two rounds, a quarter of the tasks, at most 1,000,000 pending tasks
  --rounds N     the number of rounds (default 5)
  --out DIR      the directory for results (default target/bench)
  --write-docs   write the results into docs/performance.md too
  --list         list the scenarios";

/// The options of a run.
pub(crate) struct Options {
    /// The programs and sizes.
    pub(crate) setup: Setup,
    /// The directory for results.
    pub(crate) out: PathBuf,
    /// The page that the results are written into, if any.
    pub(crate) docs: Option<PathBuf>,
    /// Only list the scenarios.
    pub(crate) list: bool,
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            setup: Setup {
                go_peer: "compat/bin/go-peer".into(),
                rust_peer: "target/release/rust-peer".into(),
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
                "--quick" => options.setup.quick = true,
                "--rounds" => options.setup.rounds = value()?.parse().context("--rounds")?,
                "--out" => options.out = value()?.into(),
                "--write-docs" => options.docs = Some("docs/performance.md".into()),
                "--list" => options.list = true,
                "--go-peer" => options.setup.go_peer = value()?.into(),
                "--rust-peer" => options.setup.rust_peer = value()?.into(),
                "--third-party" => options.setup.third_party = Some(value()?.into()),
                "--redis-server" => options.setup.redis_server = value()?.into(),
                other => bail!("unknown argument {other:?}\n{USAGE}"),
            }
        }
        if options.setup.rounds == 0 {
            options.setup.rounds = if options.setup.quick { 2 } else { 5 };
        }
        if let Some(name) = options
            .only
            .iter()
            .find(|name| !ALL.iter().any(|s| matches(name, s.name)))
        {
            bail!("there is no scenario {name:?}; see --list");
        }
        Ok(options)
    }

    /// The selected scenarios.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &'static Scenario> {
        ALL.iter().filter(|scenario| {
            self.only.is_empty() || self.only.iter().any(|name| matches(name, scenario.name))
        })
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
