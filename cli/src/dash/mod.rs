//! `rasynq dash`: queues, tasks, servers and schedulers live, with keys to act on them.
//!
//! - [`model`]: the state, and how keys and reads change it. No input or output.
//! - [`drawing`]: draws the model.
//! - [`data`]: reads Redis and acts on it, in tasks of its own, which send messages.
//! - [`terminal`]: takes the terminal over and gives it back.
//!
//! The loop here passes messages between them. It never waits for Redis.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "what a test expects"))]

mod data;
mod drawing;
mod format;
mod model;
mod terminal;
mod text;
mod theme;

use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use rasynq::Inspector;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use self::data::{Actor, Request, feed};
use self::model::{Effect, Message, Model, Moment};
use self::terminal::Screen;
pub(crate) use self::terminal::check as check_terminal;
use self::theme::Theme;
use crate::failure::{Failure, FailureKind};

/// How many messages wait at most for the loop.
const MAX_WAITING: usize = 64;

/// How often the screen is drawn without news, so that ages go on.
const TICK: Duration = Duration::from_secs(1);

/// What the dashboard shows besides Redis' data, and how.
#[derive(Clone, Debug)]
pub(crate) struct DashOptions {
    /// Where Redis is, without the password.
    pub(crate) address: String,
    /// How often the figures are read.
    pub(crate) refresh: Duration,
    /// Whether colours may be used.
    pub(crate) colours: bool,
}

/// Shows the dashboard until the user leaves it, a signal ends it, or its terminal is gone.
pub(crate) async fn run(inspector: Inspector, options: DashOptions) -> Result<(), Failure> {
    let mut ending = Ending::new()?;
    let mut screen = Screen::take()?;
    let mut dashboard = Dashboard::new(&screen, &inspector, &options)?;
    let result = dashboard.run(&mut screen, &mut ending).await;
    drop(dashboard);
    drop(screen);
    inspector.close().await;
    match result {
        Err(_) if !terminal::is_there() => Ok(()),
        result => result,
    }
}

struct Dashboard {
    model: Model,
    theme: Theme,
    requests: watch::Sender<Request>,
    messages: mpsc::Receiver<Message>,
    actor: Actor,
    /// The task that reads. It ends with this value.
    _feed: tokio::task::JoinSet<()>,
}

impl Dashboard {
    fn new(screen: &Screen, inspector: &Inspector, options: &DashOptions) -> Result<Self, Failure> {
        let size = screen.terminal.size().map_err(Failure::io)?;
        let model = Model::new(
            &options.address,
            options.refresh,
            (size.width, size.height),
            Moment::now(),
        );
        let request = Request {
            view: model.view(),
            turn: 0,
        };
        let (requests, asked) = watch::channel(request);
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let mut feeds = tokio::task::JoinSet::new();
        feeds.spawn(feed(
            inspector.clone(),
            asked,
            sender.clone(),
            options.refresh,
        ));
        Ok(Self {
            model,
            theme: Theme::new(options.colours),
            requests,
            messages,
            actor: Actor::new(inspector.clone(), sender),
            _feed: feeds,
        })
    }

    async fn run(&mut self, screen: &mut Screen, ending: &mut Ending) -> Result<(), Failure> {
        let mut events = EventStream::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.draw(screen)?;
            let message = tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => of_event(event),
                    Some(Err(error)) => return Err(Failure::io(error)),
                    None => return Ok(()),
                },
                Some(message) = self.messages.recv() => Some(message),
                _ = ticks.tick() => Some(Message::Tick),
                () = screen.panicked() => {
                    let text = "the dashboard has failed";
                    return Err(Failure::new(FailureKind::Other, text));
                }
                () = ending.wait() => return Ok(()),
            };
            let mut next = message;
            // What has come in the meantime is drawn together.
            let mut left = MAX_WAITING;
            while let Some(message) = next.take() {
                if self.handle(message) {
                    return Ok(());
                }
                left -= 1;
                if left > 0 {
                    next = self.messages.try_recv().ok();
                }
            }
        }
    }

    /// Handles a message. Returns whether the dashboard ends.
    fn handle(&mut self, message: Message) -> bool {
        let mut rereads = false;
        for effect in self.model.update(message, Moment::now()) {
            match effect {
                Effect::Quit => return true,
                Effect::Act(number, action) => self.actor.act(number, action),
                Effect::Count(number, selection) => self.actor.count(number, selection),
                Effect::Stop(number) => self.actor.stop(number),
                Effect::Reread => rereads = true,
            }
        }
        if !self.model.is_counting() {
            self.actor.stop_counting();
        }
        let view = self.model.view();
        self.requests.send_if_modified(|request| {
            let is_other = request.view != view;
            request.view = view;
            request.turn += u64::from(rereads);
            is_other || rereads
        });
        false
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        // The event of a change of the size may still be waiting.
        let size = screen.terminal.size().map_err(Failure::io)?;
        if (size.width, size.height) != self.model.size {
            self.handle(Message::Resize(size.width, size.height));
        }
        let (model, theme) = (&self.model, self.theme);
        let drawn = screen
            .terminal
            .draw(|frame| drawing::draw(model, theme, frame));
        drawn.map(|_| ()).map_err(Failure::io)
    }
}

fn of_event(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) => Some(Message::Key(key)),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(columns, lines) => Some(Message::Resize(columns, lines)),
        _ => None,
    }
}

/// The signals of the operating system that end the dashboard.
#[cfg(unix)]
struct Ending {
    signals: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Ending {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = |kind| signal(kind).map_err(Failure::io);
        Ok(Self {
            signals: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
            ],
        })
    }

    async fn wait(&mut self) {
        let [terminate, hangup, interrupt] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Ending;

#[cfg(not(unix))]
impl Ending {
    fn new() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn wait(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
