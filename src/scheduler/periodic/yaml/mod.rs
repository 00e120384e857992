//! A YAML file of entries, in the form of asynq's tutorial.

mod configs;
mod tree;

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::ConfigProvider;
use crate::scheduler::Entry;

/// How often the file's metadata is looked at. A change counts when two looks in a row have seen the same: a file
/// that is being written is not read half.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// A [`ConfigProvider`] that reads a YAML file and watches it. Feature `yaml`.
///
/// ```yaml
/// configs:
///   - cronspec: "* * * * *"      # every minute
///     task_type: email:digest
///     payload: {user_id: 42}     # {"user_id":42}
///     queue: critical
///     timeout: 30s
///   - cronspec: "@every 30s"
///     task_type: cache:warm
/// ```
///
/// # The keys of an entry
///
/// | key | value |
/// |---|---|
/// | `cronspec` (needed) | a text in quotes: `*` and `@` mean something else to YAML |
/// | `task_type` (needed) | a text |
/// | `payload` | a text stays as it is. A mapping, a list, a number, true or false becomes JSON, byte for byte as Go's `encoding/json` writes it. Nothing, or no key: an empty payload |
/// | `queue`, `group`, `task_id` | a text |
/// | `max_retry` | a whole number |
/// | `timeout`, `unique`, `process_in`, `retention` | a duration as Go writes it, with its unit: `30s`, `1h30m`, `24h` |
/// | `deadline` | a time with its zone: `2030-01-31T12:00:00Z` |
/// | `headers` | a mapping of texts to texts |
/// | `name` | the entry's name: see [`Entry::name`] |
/// | `dialect` | `standard` (the default) or `cronexpr`: see [`Entry::cronexpr`] |
/// | `jitter` | a duration: see [`Entry::jitter`] |
/// | `missed` | `skip` (the default) or `once`: see [`Entry::missed`] |
///
/// The file is YAML 1.2, so `yes` is a text. It has one document. What would be read in different ways is an
/// error: unknown keys, keys that are there twice, numbers with a leading zero, and also anchors, aliases, tags and
/// merge keys. An error names the file, the line and the column, and what was expected. Errors do not repeat
/// payloads.
///
/// # Changes
///
/// The manager reads the file at its sync interval, and within a second after it has changed. A file that another
/// one replaces counts as changed, and so does a symbolic link on the way to it that points elsewhere (as in the
/// volume of a Kubernetes ConfigMap). While the file is missing or has an error, the entries stay as they are.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> rasynq::Result<()> {
/// use rasynq::{Connection, PeriodicTaskManager, Scheduler, YamlFile};
///
/// let redis = Connection::from_uri("redis://localhost")?;
/// PeriodicTaskManager::new(Scheduler::new(&redis), YamlFile::new("periodic.yaml")).run().await
/// # }
/// ```
#[derive(Debug)]
pub struct YamlFile {
    path: Arc<Path>,
    /// The file as it was read last. `None`: it was not there, or was not read yet.
    seen: Mutex<Option<FileStamp>>,
}

impl YamlFile {
    /// The file at this path. It need not exist before the manager starts.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
            seen: Mutex::new(None),
        }
    }
}

impl ConfigProvider for YamlFile {
    async fn configs(&self) -> anyhow::Result<Vec<Entry>> {
        let path = Arc::clone(&self.path);
        let (stamp, entries) = spawn_blocking(move || {
            // First the stamp: what changes during the read makes another one.
            let stamp = FileStamp::of(&path);
            (stamp, entries_in(&path))
        })
        .await?;
        *self.seen.lock() = stamp;
        entries
    }

    async fn changed(&self) {
        let mut before = *self.seen.lock();
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let path = Arc::clone(&self.path);
            let Ok(now) = spawn_blocking(move || FileStamp::of(&path)).await else {
                continue;
            };
            if now != *self.seen.lock() && now == before {
                return;
            }
            before = now;
        }
    }
}

/// What shows that a file has changed: another file, another size, or a later change of its content or permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    size: u64,
    #[cfg(unix)]
    unix: [i64; 4],
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl FileStamp {
    /// The stamp of the file at the end of all symbolic links.
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path)
            .ok()
            .map(|metadata| Self::new(&metadata))
    }

    fn new(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: metadata.len(),
            #[cfg(unix)]
            unix: [
                metadata.dev().cast_signed(),
                metadata.ino().cast_signed(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
            #[cfg(not(unix))]
            modified: metadata.modified().ok(),
        }
    }
}

/// Reads and parses the file.
fn entries_in(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let name = path.display().to_string();
    let content = read(path).with_context(|| format!("cannot read {name}"))?;
    let text = match str::from_utf8(&content) {
        Ok(text) => text,
        Err(error) => {
            let before = &content[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!("{name}:{line}: this line is not UTF-8");
        }
    };
    configs::entries_of(&name, text).map_err(|fault| match fault.at {
        Some(at) => anyhow::anyhow!("{name}:{at}: {}", fault.text),
        None => anyhow::anyhow!("{name}: {}", fault.text),
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    // To open a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        bail!("it is not a regular file");
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(MAX_SIZE + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_SIZE {
        bail!("it is larger than {} MiB", MAX_SIZE >> 20);
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
