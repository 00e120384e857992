//! Stores tasks with a script, as an enqueueing client stores them. It is fast, and both sides get the
//! same bytes.

use anyhow::Result;

use crate::resp::Connection;

/// The most bytes of messages that one call creates.
const CALL_BYTES: u64 = 32 << 20;
/// The most tasks that one call creates.
const CALL_TASKS: u64 = 10_000;
/// The length of an id.
const ID_LEN: usize = 36;

/// `KEYS[1]`: the list, set or sorted set that holds the tasks (or their groups). `ARGV`: prefix of the
/// queue's keys, message up to the id, message after the id, series, first number, count, state, seconds
/// until the tasks are due.
const FILL: &str = r"
local now = redis.call('TIME')[1]
local state = ARGV[7]
for i = ARGV[5], ARGV[5] + ARGV[6] - 1 do
  local id = string.format('%08x-0000-4000-8000-%012x', ARGV[4], i)
  local key = ARGV[1] .. 't:' .. id
  redis.call('HSET', key, 'msg', ARGV[2] .. id .. ARGV[3], 'state', state)
  if state == 'pending' then
    redis.call('HSET', key, 'pending_since', now .. '000000000')
    redis.call('LPUSH', KEYS[1], id)
  elseif state == 'aggregating' then
    local group = string.format('%08x-%d', ARGV[4], i)
    redis.call('HSET', key, 'group', group)
    redis.call('ZADD', ARGV[1] .. 'g:' .. group, now, id)
    redis.call('SADD', KEYS[1], group)
  else
    redis.call('ZADD', KEYS[1], now + ARGV[8], id)
  end
end";

/// Where tasks are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// They are pending.
    Pending,
    /// They are due after this many seconds.
    Scheduled(u64),
    /// They are archived.
    Archived,
    /// Each is alone in its group.
    Groups,
}

impl Place {
    /// The state, and the last part of the key that holds the tasks.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("pending", "pending"),
            Self::Scheduled(_) => ("scheduled", "scheduled"),
            Self::Archived => ("archived", "archived"),
            Self::Groups => ("aggregating", "groups"),
        }
    }
}

/// Tasks that differ only in their ids.
#[derive(Clone)]
pub(crate) struct Seed {
    /// The queue.
    pub(crate) queue: String,
    /// The type.
    pub(crate) task_type: &'static str,
    /// The length of the payload, in bytes.
    pub(crate) payload: usize,
    /// The number of tasks.
    pub(crate) count: u64,
    /// A part of the ids. Seeds for one queue need different series.
    pub(crate) series: u32,
    /// Where they are.
    pub(crate) place: Place,
}

impl Seed {
    /// Pending tasks in the queue `default`, each with a payload of 100 bytes.
    pub(crate) fn pending(count: u64) -> Self {
        Self {
            queue: "default".to_owned(),
            task_type: "task",
            payload: 100,
            count,
            series: 0,
            place: Place::Pending,
        }
    }

    /// Stores them in Redis.
    pub(crate) fn store(&self, redis: &mut Connection) -> Result<()> {
        let prefix = format!("asynq:{{{}}}:", self.queue);
        let (head, tail) = self.message();
        let (state, key) = self.place.names();
        let delay = match self.place {
            Place::Scheduled(secs) => secs,
            _ => 0,
        };
        redis.call(&["SADD", "asynq:queues", &self.queue])?;
        let step = (CALL_BYTES / (head.len() + tail.len()) as u64).clamp(1, CALL_TASKS);
        let mut first = 0;
        while first < self.count {
            let n = step.min(self.count - first);
            redis.call(&[
                b"EVAL",
                FILL.as_bytes(),
                b"1",
                format!("{prefix}{key}").as_bytes(),
                prefix.as_bytes(),
                &head,
                &tail,
                self.series.to_string().as_bytes(),
                first.to_string().as_bytes(),
                n.to_string().as_bytes(),
                state.as_bytes(),
                delay.to_string().as_bytes(),
            ])?;
            first += n;
        }
        Ok(())
    }

    /// The encoded message: the bytes up to the id, and the bytes after it.
    fn message(&self) -> (Vec<u8>, Vec<u8>) {
        let mut head = Vec::with_capacity(self.payload + 64);
        bytes_field(&mut head, 1, self.task_type.as_bytes());
        if self.payload > 0 {
            bytes_field(&mut head, 2, &vec![b'x'; self.payload]);
        }
        head.push(3 << 3 | 2);
        head.push(ID_LEN as u8);
        let mut tail = Vec::new();
        bytes_field(&mut tail, 4, self.queue.as_bytes());
        number_field(&mut tail, 5, 25); // retries
        number_field(&mut tail, 8, 1800); // timeout
        (head, tail)
    }
}

fn bytes_field(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number_field(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_bytes_of_the_wire_format() {
        let seed = Seed {
            payload: 300,
            ..Seed::pending(1)
        };
        let (head, tail) = seed.message();
        assert_eq!(head[..9], *b"\x0a\x04task\x12\xac\x02");
        assert_eq!(head[head.len() - 2..], [0x1a, 36]);
        assert_eq!(tail, *b"\x22\x07default\x28\x19\x40\x88\x0e");
    }
}
