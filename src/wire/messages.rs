//! Encodes and decodes the stored messages. prost generates their types from `proto/asynq.proto`.
//!
//! Byte fields are [`Bytes`], so decoding shares the buffer and copies no payload. proto3 does not
//! write a field with its default value: an empty payload and no payload are the same in Redis.

use bytes::Bytes;
use prost::Message;

pub(crate) use super::generated::asynq::{
    SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, TaskMessage, WorkerInfo,
};
pub(crate) use super::generated::google::protobuf::Timestamp;

/// A stored message that could not be decoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message} of {len} bytes is not readable: {cause}")]
pub(crate) struct DecodeError {
    message: &'static str,
    len: usize,
    // Not a `source`: its text, with message and field, is already part of this error's text.
    cause: prost::DecodeError,
}

/// Decodes the field `msg` of a task's hash. asynq: `DecodeMessage`.
pub(crate) fn decode_task(raw: Bytes) -> Result<TaskMessage, DecodeError> {
    decode("TaskMessage", raw)
}

/// Decodes the value of a server's key. asynq: `DecodeServerInfo`.
pub(crate) fn decode_server_info(raw: Bytes) -> Result<ServerInfo, DecodeError> {
    decode("ServerInfo", raw)
}

/// Decodes one value of a workers hash. asynq: `DecodeWorkerInfo`.
pub(crate) fn decode_worker_info(raw: Bytes) -> Result<WorkerInfo, DecodeError> {
    decode("WorkerInfo", raw)
}

/// Decodes one element of a scheduler's list. asynq: `DecodeSchedulerEntry`.
pub(crate) fn decode_scheduler_entry(raw: Bytes) -> Result<SchedulerEntry, DecodeError> {
    decode("SchedulerEntry", raw)
}

/// Decodes one member of an entry's history. asynq: `DecodeSchedulerEnqueueEvent`.
pub(crate) fn decode_scheduler_enqueue_event(
    raw: Bytes,
) -> Result<SchedulerEnqueueEvent, DecodeError> {
    decode("SchedulerEnqueueEvent", raw)
}

/// Encodes any of the messages. asynq: `EncodeMessage`, `EncodeServerInfo`, ….
pub(crate) fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn decode<M: Message + Default>(message: &'static str, raw: Bytes) -> Result<M, DecodeError> {
    let len = raw.len();
    M::decode(raw).map_err(|cause| DecodeError {
        message,
        len,
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskMessage {
        TaskMessage {
            r#type: "email:welcome".to_owned(),
            payload: Bytes::from_static(b"\x00payload\xff"),
            id: "id-1".to_owned(),
            queue: "critical".to_owned(),
            retry: 25,
            retried: -1,
            timeout: 1800,
            headers: [("k".to_owned(), "v".to_owned())].into(),
            ..TaskMessage::default()
        }
    }

    #[test]
    fn a_task_reads_back_as_it_was_written() {
        assert_eq!(decode_task(encode(&task())), Ok(task()));
        assert_eq!(decode_task(Bytes::new()), Ok(TaskMessage::default()));
    }

    #[test]
    fn decoding_shares_the_payload_with_the_raw_bytes() {
        let raw = encode(&task());
        let payload = decode_task(raw.clone()).expect("a task").payload;
        assert!(raw.as_ptr_range().contains(&payload.as_ptr()));
    }

    #[test]
    fn a_decode_error_names_the_message_the_field_and_the_cause() {
        // Field 3 (id), length 1, a byte that is not UTF-8.
        let error = decode_task(Bytes::from_static(&[0x1a, 1, 0xff]))
            .expect_err("unreadable")
            .to_string();
        assert!(
            error.starts_with("TaskMessage of 3 bytes is not readable: "),
            "{error}"
        );
        assert!(error.contains("TaskMessage.id"), "{error}");
        assert!(error.contains("UTF-8"), "{error}");
        // Field 8 (start_time), a message of 4 bytes, but none follow.
        let error = decode_worker_info(Bytes::from_static(&[0x42, 4]))
            .expect_err("unreadable")
            .to_string();
        assert!(error.contains("WorkerInfo.start_time"), "{error}");
    }

    #[test]
    fn an_error_never_contains_the_payload() {
        let mut raw = encode(&task()).to_vec();
        raw.extend([0x1a, 1, 0xff]);
        let error = decode_task(raw.into()).expect_err("unreadable");
        assert!(!format!("{error} {error:?}").contains("payload\\xff"));
        assert!(!format!("{error}").contains("payload"));
    }

    #[test]
    fn unknown_fields_are_skipped() {
        let mut raw = encode(&task()).to_vec();
        raw.extend([0x82, 0x06, 1, b'x']); // field 96, one byte
        assert_eq!(decode_task(raw.into()), Ok(task()));
    }
}
