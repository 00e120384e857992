//! Replies of scripts as typed results. A reply of another shape is an error of kind `Internal`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::Value;

use crate::broker::{LostTask, RawTask, Str};
use crate::error::{Error, ErrorKind, Result};

/// The elements of an array reply.
pub(super) fn array(value: Value, script: &str) -> Result<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(unexpected(script, &other)),
    }
}

/// An integer reply.
pub(super) fn integer(value: &Value, script: &str) -> Result<i64> {
    match value {
        Value::Integer(n) => Ok(*n),
        other => Err(unexpected(script, other)),
    }
}

/// One flag per task. If all are 1, the script may reply the number of tasks instead.
pub(super) fn flags(value: Value, expected: usize, script: &str) -> Result<Vec<bool>> {
    if value == Value::Integer(expected as i64) {
        return Ok(vec![true; expected]);
    }
    let values = array(value, script)?;
    if values.len() != expected {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("{script}: {} results for {expected} tasks", values.len()),
        ));
    }
    values
        .iter()
        .map(|value| integer(value, script).map(|n| n == 1))
        .collect()
}

/// A bulk string as bytes.
pub(super) fn bytes(value: Value, script: &str) -> Result<Bytes> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::String(text) => Ok(text.into_inner()),
        other => Err(unexpected(script, &other)),
    }
}

/// A bulk string as text. Bytes that are not UTF-8 are replaced.
pub(super) fn text(value: Value, script: &str) -> Result<Str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bytes(bytes) => Ok(Str::from(String::from_utf8_lossy(&bytes).into_owned())),
        other => Err(unexpected(script, &other)),
    }
}

/// Tasks as pairs of id and message.
pub(super) fn tasks(
    mut values: impl ExactSizeIterator<Item = Value>,
    script: &str,
) -> Result<Vec<RawTask>> {
    let mut tasks = Vec::with_capacity(values.len() / 2);
    while let (Some(id), Some(message)) = (values.next(), values.next()) {
        tasks.push(RawTask {
            id: text(id, script)?,
            message: bytes(message, script)?,
        });
    }
    Ok(tasks)
}

/// Tasks with their leases, 4 values for each: id, score of the lease, losses, message.
pub(super) fn leased_tasks(
    mut values: impl ExactSizeIterator<Item = Value>,
    script: &str,
) -> Result<Vec<LostTask>> {
    let mut tasks = Vec::with_capacity(values.len() / 4);
    while let (Some(id), Some(lease), Some(losses), Some(message)) =
        (values.next(), values.next(), values.next(), values.next())
    {
        tasks.push(LostTask {
            task: RawTask {
                id: text(id, script)?,
                message: bytes(message, script)?,
            },
            lease: text(lease, script)?,
            losses: text(losses, script)?.parse().unwrap_or_default(),
        });
    }
    Ok(tasks)
}

/// The score in `[member, score]` (RESP2) or `[[member, score]]` (RESP3). asynq's scores are whole.
pub(super) fn score(reply: Vec<Value>) -> Option<i64> {
    match reply.into_iter().next_back()? {
        Value::Array(pair) => self::score(pair),
        score => score.as_f64().map(|score| score as i64),
    }
}

/// A score, or a time in seconds, as text. asynq's scores are whole. `None`: the text is no number.
pub(super) fn score_text(value: Value, script: &str) -> Result<Option<i64>> {
    let score = text(value, script)?.parse::<f64>();
    Ok(score.ok().map(|score| score as i64))
}

/// A time in nanoseconds, as text. `None`: the text is no such time.
pub(super) fn unix_nanos(value: Value, script: &str) -> Result<Option<DateTime<Utc>>> {
    let nanos = text(value, script)?.parse().ok();
    Ok(nanos.map(DateTime::from_timestamp_nanos))
}

/// The error for a reply that does not fit its script.
pub(super) fn unexpected(script: &str, value: &Value) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("{script}: unexpected reply of kind {}", value.kind()),
    )
}
