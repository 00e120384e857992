//! The periodic task manager: it keeps the entries of a scheduler equal to what a provider says.
//!
//! It has no keys in Redis of its own: those are the scheduler's. asynq: `PeriodicTaskManager`.

mod manager;
mod memory;
mod plan;
mod provider;
mod running;
mod syncer;
#[cfg(feature = "yaml")]
mod yaml;

pub use manager::{DEFAULT_SYNC_INTERVAL, PeriodicTaskManager};
pub use memory::MemoryConfigs;
pub use provider::ConfigProvider;
pub use running::RunningPeriodicTaskManager;
#[cfg(feature = "yaml")]
pub use yaml::YamlFile;
