//! Reads requests and answers them concurrently.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rasynq::{Client, Connection, Inspector};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::client::{BatchForm, EnqueueForm, ManyForm};
use crate::cron::CronForm;
use crate::failure::Failure;
use crate::inspector::inspect;
use crate::lines::Lines;
use crate::registry::Registry;
use crate::request::{self, Request};
use crate::scheduler::{PeriodicForm, Planner, RegisterForm, SchedulerForm, UnregisterForm};
use crate::server::{ServeForm, ServerHandle};

/// The version of the interface.
const PEER_VERSION: u32 = 1;
/// How long requests in flight may take after stdin has closed. Then all servers and schedulers are shut down.
const DRAIN_TIME: Duration = Duration::from_secs(15);

/// What all requests share.
pub(crate) struct Peer {
    connection: Connection,
    lines: Lines,
    client: OnceCell<Client>,
    inspector: OnceCell<Inspector>,
    servers: Registry<ServerHandle>,
    planners: Registry<Planner>,
    /// Requested shutdowns that are in progress.
    shutdowns: TaskTracker,
}

impl Peer {
    pub(crate) fn new(connection: Connection, lines: Lines) -> Arc<Self> {
        Arc::new(Self {
            connection,
            lines,
            client: OnceCell::new(),
            inspector: OnceCell::new(),
            servers: Registry::new("server"),
            planners: Registry::new("scheduler"),
            shutdowns: TaskTracker::new(),
        })
    }

    /// Serves requests until `input` ends. Then it shuts down all servers and schedulers.
    pub(crate) async fn run(self: Arc<Self>, input: impl AsyncRead + Unpin) {
        let in_flight = TaskTracker::new();
        let mut input = BufReader::with_capacity(1 << 16, input);
        loop {
            let mut line = Vec::new();
            match input.read_until(b'\n', &mut line).await {
                Ok(0) => break,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let peer = Arc::clone(&self);
                    in_flight.spawn(async move { peer.serve_line(&line).await });
                }
                Err(error) => {
                    tracing::error!(%error, "reading requests");
                    break;
                }
            }
        }
        in_flight.close();
        if tokio::time::timeout(DRAIN_TIME, in_flight.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "stdin is closed, but a request is still in flight: shutting down anyway"
            );
        }
        for server in self.servers.take_all() {
            server.shutdown().await;
        }
        for planner in self.planners.take_all() {
            planner.shutdown().await;
        }
        self.shutdowns.close();
        self.shutdowns.wait().await;
        if let Some(client) = self.client.get() {
            client.close().await;
        }
        if let Some(inspector) = self.inspector.get() {
            inspector.close().await;
        }
    }

    async fn serve_line(&self, line: &[u8]) {
        let (id, request) = request::read(line);
        let mut answer = Answer {
            id,
            lines: &self.lines,
            value: Some(Err(Failure::other("the request panicked"))),
        };
        answer.value = Some(match request {
            Ok(request) => self.answer(request).await,
            Err(failure) => Err(failure),
        });
    }

    async fn answer(&self, request: Request) -> Result<Value, Failure> {
        match request.op.as_str() {
            "hello" => {
                request.check_names(&[])?;
                let version = env!("CARGO_PKG_VERSION");
                Ok(json!({"impl": "rust", "version": version, "peer": PEER_VERSION}))
            }
            "enqueue" => {
                let form: EnqueueForm = request.form()?;
                form.run(self.client().await?).await
            }
            "enqueue_batch" => {
                let form: BatchForm = request.form()?;
                form.run(self.client().await?).await
            }
            "enqueue_many" => {
                let form: ManyForm = request.form()?;
                form.run(self.client().await?).await
            }
            "serve" => {
                let form: ServeForm = request.form()?;
                let name = form.name.clone();
                let start = form.start(&self.connection, self.lines.clone());
                self.servers.add(name, start).await?;
                Ok(Value::Null)
            }
            "ping" => {
                let form: NamedForm = request.form()?;
                self.servers.get(&form.name)?.ping().await?;
                Ok(Value::Null)
            }
            "stop" => {
                let form: NamedForm = request.form()?;
                self.servers.get(&form.name)?.stop();
                Ok(Value::Null)
            }
            "shutdown" => {
                let form: NamedForm = request.form()?;
                self.shutdown(&form.name).await
            }
            "scheduler" => {
                let form: SchedulerForm = request.form()?;
                let name = form.name.clone();
                let start = form.start(&self.connection, self.lines.clone());
                self.planners.add(name, start).await?;
                Ok(Value::Null)
            }
            "periodic" => {
                let form: PeriodicForm = request.form()?;
                let name = form.name.clone();
                let start = form.start(&self.connection, self.lines.clone());
                self.planners.add(name, start).await?;
                Ok(Value::Null)
            }
            "register" => {
                let form: RegisterForm = request.form()?;
                let planner = self.planners.get(&form.name)?;
                form.run(&planner).await
            }
            "unregister" => {
                let form: UnregisterForm = request.form()?;
                let planner = self.planners.get(&form.name)?;
                form.run(&planner).await
            }
            "scheduler_shutdown" => {
                let form: NamedForm = request.form()?;
                let planner = self.planners.take(&form.name)?;
                self.shut_down(async move { planner.shutdown().await })
                    .await?;
                Ok(Value::Null)
            }
            "cron" => {
                let form: CronForm = request.form()?;
                form.run()
            }
            "inspect" => inspect(request, &self.connection, &self.inspector).await,
            op => Err(Failure::invalid(format!("unknown op {op:?}"))),
        }
    }

    async fn shutdown(&self, name: &str) -> Result<Value, Failure> {
        let server = self.servers.take(name)?;
        let start = Instant::now();
        self.shut_down(async move { server.shutdown().await })
            .await?;
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        Ok(json!({"ms": ms.round() as u64}))
    }

    /// Does a shutdown, which goes on if the peer ends meanwhile.
    async fn shut_down(
        &self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Failure> {
        let ended = self.shutdowns.spawn(shutdown).await;
        ended.map_err(|error| Failure::other(error.to_string()))
    }

    /// The client. The first request that needs it connects it.
    async fn client(&self) -> rasynq::Result<&Client> {
        self.client
            .get_or_try_init(|| Client::connect(&self.connection))
            .await
    }
}

/// A request about one server or scheduler.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedForm {
    #[serde(default)]
    name: String,
}

/// The answer to a request. It is written when this is dropped, so even after a panic.
struct Answer<'p> {
    id: Value,
    lines: &'p Lines,
    value: Option<Result<Value, Failure>>,
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.lines.answer(&self.id, value);
        }
    }
}
