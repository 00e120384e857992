//! One command for Redis.

use fred::clients::Client as FredClient;
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use fred::util::redis_keyslot;

/// A command with its arguments. Clones share the bytes of the arguments. A [`Link`](super::Link) sends it.
///
/// Numbers in the arguments must be text: redis-protocol 6.0 miscounts the digits of a large integer
/// when it encodes one, and Redis then waits for a byte that never comes.
#[derive(Clone)]
pub(crate) struct Command {
    name: &'static str,
    args: Vec<Value>,
    /// Which of the arguments is the key that decides about the hash slot.
    key: Option<usize>,
    /// The hash slot of a command without a key that is for one node.
    slot: Option<u16>,
    traffic: Traffic,
    /// Whether `ASKING` goes before the command.
    is_asking: bool,
}

/// What is known of the bytes of a command beside its arguments.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// How many bytes the reply is expected to have, if that is much: less else is in flight meanwhile.
    pub(crate) reply_bytes: usize,
    /// How many bytes the reply may have, if that is much: it may take longer.
    pub(crate) most_reply_bytes: usize,
    /// The command goes over the connection for bulk, however small it is: with others it makes up a row,
    /// whose order counts.
    pub(crate) is_bulk: bool,
}

impl Command {
    /// A command without a key: any node of a cluster may run it.
    pub(crate) fn without_key(name: &'static str, args: impl Into<Vec<Value>>) -> Self {
        Self::new(name, args.into(), None)
    }

    /// A command whose first argument is a key.
    pub(crate) fn on_key(name: &'static str, args: impl Into<Vec<Value>>) -> Self {
        Self::new(name, args.into(), Some(0))
    }

    /// `EVAL` or `EVALSHA`: `script` is the source or the SHA-1. All keys must be in one hash slot.
    pub(crate) fn script(
        name: &'static str,
        script: impl Into<Value>,
        keys: Vec<Key>,
        script_args: Vec<Value>,
    ) -> Self {
        let key = (!keys.is_empty()).then_some(2);
        let mut args = Vec::with_capacity(2 + keys.len() + script_args.len());
        args.push(script.into());
        args.push(keys.len().to_string().into());
        args.extend(keys.into_iter().map(Value::from));
        args.extend(script_args);
        Self::new(name, args, key)
    }

    /// The same command for the node of a cluster that has the hash slot of this key.
    pub(crate) fn in_slot_of(self, key: &str) -> Self {
        Self {
            slot: Some(redis_keyslot(key.as_bytes())),
            ..self
        }
    }

    fn new(name: &'static str, args: Vec<Value>, key: Option<usize>) -> Self {
        Self {
            name,
            args,
            key,
            slot: None,
            traffic: Traffic::default(),
            is_asking: false,
        }
    }

    /// The same command for a node to which the hash slot of its key is on the way.
    pub(super) fn after_asking(self) -> Self {
        Self {
            is_asking: true,
            ..self
        }
    }

    pub(crate) fn with_traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    /// Whether the command goes over the connection for bulk, which takes commands of more than `small`
    /// bytes.
    pub(super) fn is_bulk(&self, small: usize) -> bool {
        self.traffic.is_bulk || self.bytes() > small
    }

    /// How many bytes the reply may have beyond what is expected.
    pub(super) fn unexpected_bytes(&self) -> usize {
        let Traffic {
            reply_bytes,
            most_reply_bytes,
            ..
        } = self.traffic;
        most_reply_bytes.saturating_sub(reply_bytes)
    }

    /// How many bytes the arguments and the expected reply have.
    pub(super) fn bytes(&self) -> usize {
        let sizes = self.args.iter().map(|arg| match arg {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        });
        self.traffic.reply_bytes + sizes.sum::<usize>()
    }

    /// The key that decides about the hash slot.
    pub(crate) fn key(&self) -> Option<&Value> {
        self.args.get(self.key?)
    }

    /// The hash slot of the command's key.
    pub(super) fn hash_slot(&self) -> Option<u16> {
        if self.slot.is_some() {
            return self.slot;
        }
        match self.key()? {
            Value::Bytes(key) => Some(redis_keyslot(key)),
            Value::String(key) => Some(redis_keyslot(key.as_bytes())),
            _ => None,
        }
    }

    /// Sends the command with a fred client. The command is queued when the future is polled for the
    /// first time.
    pub(super) async fn send_with(self, client: &FredClient) -> Result<Value, FredError> {
        let hash = match client.is_clustered() {
            true => self
                .hash_slot()
                .map_or(ClusterHash::Random, ClusterHash::Custom),
            false => ClusterHash::Random,
        };
        let command = CustomCommand::new_static(self.name, hash, false);
        if !self.is_asking {
            return client.custom(command, self.args).await;
        }
        // No other command may come between the two.
        let pipeline = client.pipeline();
        let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
        let () = pipeline.custom(asking, Vec::<Value>::new()).await?;
        let () = pipeline.custom(command, self.args).await?;
        let last = pipeline.try_all().await.pop();
        last.unwrap_or_else(|| Err(FredError::new(FredKind::Protocol, "no reply to a pipeline")))
    }
}
