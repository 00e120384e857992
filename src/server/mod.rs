//! Processing tasks: [`Server`] and its parts.
//!
//! This file names all parts of a server and all channels between them. The processor fetches tasks,
//! the executor runs them, the acknowledger writes their outcomes to Redis. The parts in `wake` find out
//! when there is something to fetch or to forward. The aggregator makes one task out of the tasks of a group. The parts in `upkeep` renew leases, move due tasks, and
//! recover or delete old ones. Several parts share [`Gates`], [`Wakeups`], [`HeldRuns`] and
//! [`Acknowledgements`]: they are passed to these parts here.

mod ack;
mod aggregate;
mod announce;
mod builder;
mod config;
mod fetch;
mod hooks;
mod identity;
mod owner;
mod policy;
mod process;
mod queues;
mod run;
mod running;
#[cfg(test)]
mod tests;
mod upkeep;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;

use ack::{Acknowledgements, Acknowledger};
use aggregate::{Aggregator, SetRunner};
pub use aggregate::{
    DEFAULT_GROUP_CONCURRENCY, DEFAULT_GROUP_GRACE_PERIOD, GroupAggregator, GroupLimits,
};
pub use builder::Server;
pub use config::{
    CancelPolicy, DEFAULT_CANCEL_GRACE, DEFAULT_DELAYED_TASK_CHECK_INTERVAL,
    DEFAULT_HEALTH_CHECK_INTERVAL, DEFAULT_JANITOR_BATCH_SIZE, DEFAULT_JANITOR_INTERVAL,
    DEFAULT_MAX_LOST_RUNS, DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_TASK_CHECK_INTERVAL, LostLease,
    UnknownType,
};
use config::{Config, GONE_SERVERS_INTERVAL, HEARTBEAT_INTERVAL, RECOVER_INTERVAL};
use fetch::{FetchBudgets, Gates, OwnerTokens, Processor, Restorer, Sizing, Sweeper};
use hooks::Hooks;
use identity::Identity;
use owner::Listing;
use policy::Policy;
use queues::Queues;
use run::{Executor, HeldRuns};
use running::Supervisor;
pub use running::{RunningServer, ServerStopper};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use upkeep::{
    BlockWatch, Forwarder, GoneServers, HealthChecker, Heartbeater, Janitor, LeaseRenewer,
    LeaseThread, LostRuns, Recoverer, RuntimeProbe, ServerEntry, Subscriber,
};
use wake::{Wakeups, Watcher};

use crate::background::{Every, ServiceHandle, Services};
use crate::broker::{Broker, TrackingOptions};
use crate::clock::Uuids;
use crate::error::Result;
use crate::guard::Foreign;
use crate::handler::HandlerService;
use crate::wire::keys;

/// All parts of a server, connected but not started.
struct Parts {
    stopper: ServerStopper,
    processor: Processor,
    executor: Arc<Executor>,
    acknowledger: Acknowledger,
    heartbeater: Heartbeater,
    lease_renewer: LeaseRenewer,
    block_watch: BlockWatch,
    watcher: Watcher,
    forwarder: Forwarder,
    recoverer: Every<Recoverer>,
    gone_servers: Every<GoneServers>,
    janitor: Every<Janitor>,
    subscriber: Subscriber,
    restorer: Restorer,
    health_checker: Option<Every<HealthChecker>>,
    aggregator: Option<Aggregator>,
}

impl Parts {
    // Long, because it is a list: each part and each channel once.
    fn new(config: &Config, handler: HandlerService, broker: &Broker) -> Self {
        let broker = || broker.clone();
        let queues = Queues::new(&broker(), &config.queues, config.strict_priority);
        let identity = Arc::new(Identity::new(config, broker().clock().now()));
        let stopper = ServerStopper::new(Arc::clone(&identity));
        let policy = Arc::new(Policy::new(config));
        let owner = keys::owner_name(&identity.info.server_id);
        let listing = Arc::new(Listing::new(owner, queues.len()));
        let lost_runs = LostRuns {
            broker: broker(),
            policy: Arc::clone(&policy),
        };

        // What the parts share, and the channels between them.
        let gates = Arc::new(Gates::new(queues.len()));
        let (wakeups, receivers) = Wakeups::new(queues.len(), Arc::clone(&gates));
        let held = Arc::new(HeldRuns::new(Arc::clone(&gates)));
        let acknowledgements = Arc::new(Acknowledgements::new(Arc::clone(&held)));
        let (lost, lost_fetches) = mpsc::unbounded_channel();
        let runtime = RuntimeProbe::of_this_runtime();

        let executor = Arc::new(Executor {
            handler: Foreign::new(handler),
            policy,
            hooks: Hooks::new(config),
            cancel_grace: config.cancel_grace,
            clock: broker().clock().clone(),
            held: Arc::clone(&held),
            acknowledgements: Arc::clone(&acknowledgements),
            run_permits: (config.prefetch > 0)
                .then(|| Arc::new(Semaphore::new(config.concurrency))),
            shutdown: stopper.shutdown_token(),
            abort: stopper.abort_token(),
            runs: TaskTracker::new(),
        });
        let aggregator = config.groups.function.clone().map(|function| {
            let runner = SetRunner {
                broker: broker(),
                function: Foreign::new(function),
                archive: config.archive_limits(),
                uuids: Uuids::new(),
                abort: stopper.abort_token(),
            };
            Aggregator::new(
                &config.groups,
                queues.clone(),
                Arc::clone(&wakeups),
                receivers.groups,
                runner,
            )
        });
        Self {
            aggregator,
            processor: Processor {
                sweeper: Sweeper {
                    broker: broker(),
                    budgets: FetchBudgets::new(queues.len()),
                    queues: queues.clone(),
                    gates: Arc::clone(&gates),
                    wakeups: Arc::clone(&wakeups),
                    held: Arc::clone(&held),
                    executor: Arc::clone(&executor),
                    acknowledgements: Arc::clone(&acknowledgements),
                    owners: OwnerTokens::new(listing.name()),
                    listing: Arc::clone(&listing),
                    lost,
                    stop: stopper.stop_token(),
                },
                sizing: Sizing::new(config.concurrency, config.prefetch),
                task_check_interval: config.task_check_interval,
            },
            executor,
            acknowledger: Acknowledger {
                broker: broker(),
                acknowledgements,
            },
            heartbeater: Heartbeater {
                broker: broker(),
                entry: ServerEntry::new(Arc::clone(&identity)),
                stopped: stopper.stop_token(),
                held: Arc::clone(&held),
                wakeups: Arc::clone(&wakeups),
                queues: queues.clone(),
                listing: Arc::clone(&listing),
            },
            lease_renewer: LeaseRenewer::new(
                broker(),
                Arc::clone(&held),
                Arc::clone(&runtime),
                config.cancel_grace,
            ),
            block_watch: BlockWatch::new(Arc::clone(&held), runtime),
            watcher: Watcher {
                broker: broker(),
                queues: queues.clone(),
                gates,
                wakeups: Arc::clone(&wakeups),
                reports: receivers.reports,
                options: TrackingOptions {
                    entry_key: identity.entry.server.clone(),
                    groups: config.groups.function.is_some(),
                },
            },
            forwarder: Forwarder {
                broker: broker(),
                queues: queues.clone(),
                wakeups: Arc::clone(&wakeups),
                interval: config.delayed_task_check_interval,
            },
            recoverer: Every::new(
                RECOVER_INTERVAL,
                Recoverer {
                    queues: queues.clone(),
                    lost: lost_runs.clone(),
                    unleased: HashMap::new(),
                    groups_with_sets: HashMap::new(),
                },
            )
            .also_at_start(),
            gone_servers: Every::new(
                GONE_SERVERS_INTERVAL,
                GoneServers::new(queues.clone(), lost_runs, Arc::clone(&listing)),
            ),
            janitor: Every::new(
                config.janitor_interval,
                Janitor {
                    broker: broker(),
                    queues,
                    wakeups,
                    interval: config.janitor_interval,
                    batch_size: config.janitor_batch_size,
                },
            ),
            subscriber: Subscriber {
                broker: broker(),
                held: Arc::clone(&held),
                listing,
            },
            restorer: Restorer {
                broker: broker(),
                lost: lost_fetches,
            },
            health_checker: config.health_check.clone().map(|callback| {
                let interval = config.health_check_interval;
                let health_checker = HealthChecker {
                    broker: broker(),
                    interval,
                    callback: Foreign::new(callback),
                };
                Every::new(interval, health_checker)
            }),
            stopper,
        }
    }
}

/// Starts a server.
async fn start(config: Config, handler: HandlerService, broker: Broker) -> Result<RunningServer> {
    let parts = Parts::new(&config, handler, &broker);
    // Fires when a part has panicked.
    let failed = CancellationToken::new();
    // The first heartbeat comes before the first fetch, so that asynqmon never shows an active task without
    // its server.
    let leases = LeaseThread::start(
        parts.heartbeater,
        parts.lease_renewer,
        HEARTBEAT_INTERVAL,
        parts.block_watch,
        failed.clone(),
    );
    let leases = match leases.await {
        Ok(leases) => leases,
        Err(error) => {
            broker.close().await;
            return Err(error);
        }
    };
    let mut upkeep = Services::new(failed.clone());
    upkeep.start(parts.watcher);
    upkeep.start(parts.forwarder);
    upkeep.start(parts.recoverer);
    upkeep.start(parts.gone_servers);
    upkeep.start(parts.janitor);
    upkeep.start(parts.subscriber);
    upkeep.start(parts.restorer);
    if let Some(health_checker) = parts.health_checker {
        upkeep.start(health_checker);
    }
    let stopper = parts.stopper;
    let runs = parts.executor.runs.clone();
    let ended = CancellationToken::new();
    let supervisor = Supervisor {
        stopper: stopper.clone(),
        broker: broker.clone(),
        shutdown_timeout: config.shutdown_timeout,
        processor: ServiceHandle::start(parts.processor, stopper.stop_token(), failed.clone()),
        executor: parts.executor,
        aggregator: parts.aggregator.map(|aggregator| {
            ServiceHandle::start(aggregator, stopper.shutdown_token(), failed.clone())
        }),
        acknowledger: ServiceHandle::start(
            parts.acknowledger,
            CancellationToken::new(),
            failed.clone(),
        ),
        upkeep,
        leases,
        failed: failed.clone(),
        ended: ended.clone(),
    };
    // In a tokio task of its own, the server ends in order even if its handle is dropped.
    tokio::spawn(supervisor.run());
    tracing::info!(
        server_id = stopper.server_id(),
        concurrency = config.concurrency,
        queues = ?config.queues,
        "server started"
    );
    Ok(RunningServer {
        stopper,
        broker,
        runs,
        failed,
        ended,
    })
}
