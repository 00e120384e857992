//! Maps fred's errors to rasynq's [`Error`].

use fred::error::{Error as FredError, ErrorKind as FredKind};

use crate::error::{Error, ErrorKind};

/// The codes of transient error replies: the same command may succeed later.
const TRANSIENT_REPLIES: [&str; 8] = [
    "LOADING",
    "BUSY",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "TRYAGAIN",
    "READONLY",
    "NOREPLICAS",
    "MISCONF",
];

/// The error for an operation that failed. `what` names the operation: "enqueue task `id` in queue
/// `q`".
///
/// The kind is also [`ErrorKind::Unavailable`] if it is unknown whether a write took effect.
pub(crate) fn map_redis_error(error: FredError, what: &str) -> Error {
    let (kind, reason) = classify(&error);
    Error::new(kind, format!("{what}: {reason}")).with_source(error)
}

/// The error for an operation whose script caught an error reply and returned its text.
pub(crate) fn map_error_reply(text: &str, what: &str) -> Error {
    map_redis_error(FredError::new(FredKind::Unknown, text.to_owned()), what)
}

/// Whether Redis refused a script because its keys belong to several slots of the cluster.
pub(crate) fn crosses_slots(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<FredError>())
        .is_some_and(|source| reply_code(source.details()) == Some("CROSSSLOT"))
}

/// The error reply of a command within a script, without the prefix that Redis 6 adds: the name of the
/// script, the line and a dash.
fn strip_script_position(details: &str) -> &str {
    let details = details.trim_end();
    details
        .rsplit_once("@user_script: ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(details, |(_line, reply)| reply.trim_start_matches('-'))
}

fn classify(error: &FredError) -> (ErrorKind, String) {
    let details = strip_script_position(error.details());
    // Redis replies this if a command within a script is not permitted. Since Redis 7 the code ERR
    // precedes it.
    if details.contains("The user executing the script can't") {
        return (ErrorKind::Redis, no_permission(details));
    }
    match reply_code(details) {
        Some(code) => classify_reply(code, details),
        None => classify_fred_error(error.kind(), details),
    }
}

/// What an error reply of Redis means.
fn classify_reply(code: &str, details: &str) -> (ErrorKind, String) {
    let reason = match code {
        "LOADING" => "Redis is still loading its data".to_owned(),
        "READONLY" => format!("this Redis is a read-only replica: {details}"),
        code if TRANSIENT_REPLIES.contains(&code) => {
            format!("Redis cannot serve the command now: {details}")
        }
        "NOAUTH" => "Redis asks for a password, and none is set".to_owned(),
        "WRONGPASS" => "Redis refuses the password, or has no such user".to_owned(),
        "NOPERM" => no_permission(details),
        "OOM" => format!("Redis is out of memory: {details}"),
        "WRONGTYPE" => format!("a key has a value of another type: {details}"),
        _ => format!("Redis answered {details}"),
    };
    let kind = if TRANSIENT_REPLIES.contains(&code) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Redis
    };
    (kind, reason)
}

/// What an error that fred itself raised means.
fn classify_fred_error(kind: &FredKind, details: &str) -> (ErrorKind, String) {
    match kind {
        FredKind::Timeout => (
            ErrorKind::Unavailable,
            "Redis does not answer in time".to_owned(),
        ),
        FredKind::IO
        | FredKind::Canceled
        | FredKind::Routing
        | FredKind::Cluster
        | FredKind::Sentinel
        | FredKind::Backpressure
        // fred uses this kind, among others, while it reconnects.
        | FredKind::Unknown => (
            ErrorKind::Unavailable,
            format!("the connection to Redis failed: {details}"),
        ),
        #[cfg(feature = "tls")]
        FredKind::Tls => (
            ErrorKind::Unavailable,
            format!("TLS to Redis failed: {details}"),
        ),
        FredKind::Auth => (
            ErrorKind::Redis,
            format!("Redis refuses the login: {details}"),
        ),
        FredKind::Protocol | FredKind::Parse | FredKind::NotFound => (
            ErrorKind::Redis,
            format!("unexpected reply from Redis: {details}"),
        ),
        _ => (ErrorKind::Redis, details.to_owned()),
    }
}

fn no_permission(details: &str) -> String {
    format!("the Redis user has no permission: {details}")
}

/// The code of an error reply: its first word, if that is all capitals. fred's own errors are
/// sentences and have no code.
fn reply_code(details: &str) -> Option<&str> {
    let code = details.split_whitespace().next()?;
    let is_code = code.len() > 1 && code.bytes().all(|b| b.is_ascii_uppercase());
    is_code.then_some(code)
}

/// Whether the Redis server does not know the command `HELLO`, which every Redis since 6.0 has.
pub(super) fn is_unknown_hello(error: &FredError) -> bool {
    let details = error.details().to_ascii_lowercase();
    details.contains("unknown command") && details.contains("hello")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_position_that_redis_6_adds_to_an_error_is_removed() {
        assert_eq!(
            strip_script_position("@user_script: 35: -READONLY You can't write"),
            "READONLY You can't write"
        );
        let raised =
            "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: WRONGTYPE no";
        assert_eq!(strip_script_position(raised), "WRONGTYPE no");
        let redis_7 = "OOM not allowed script: 1, on @user_script:40.";
        assert_eq!(strip_script_position(redis_7), redis_7);
    }

    fn mapped(kind: FredKind, details: &'static str) -> Error {
        map_redis_error(FredError::new(kind, details), "enqueue")
    }

    #[test]
    fn transient_replies_are_unavailable_and_others_are_redis_errors() {
        for (details, kind) in [
            (
                "LOADING Redis is loading the dataset in memory",
                ErrorKind::Unavailable,
            ),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable),
            (
                "READONLY You can't write against a read only replica.",
                ErrorKind::Unavailable,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                ErrorKind::Redis,
            ),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                ErrorKind::Redis,
            ),
            ("NOAUTH Authentication required.", ErrorKind::Redis),
            ("WRONGPASS invalid username-password pair", ErrorKind::Redis),
            (
                "NOPERM this user has no permissions to run the 'info' command",
                ErrorKind::Redis,
            ),
            ("ERR value is not an integer", ErrorKind::Redis),
            (
                "ERR The user executing the script can't run this command or subcommand",
                ErrorKind::Redis,
            ),
            (
                "@user_script: 57: The user executing the script can't access at least one of the keys",
                ErrorKind::Redis,
            ),
        ] {
            let error = mapped(FredKind::Unknown, details);
            assert_eq!(error.kind(), kind, "{details}");
            assert!(error.to_string().starts_with("enqueue: "), "{error}");
        }
    }

    #[test]
    fn a_lost_connection_is_unavailable() {
        for (kind, details) in [
            (FredKind::IO, "Connection closed."),
            (FredKind::Canceled, "Canceled."),
            (FredKind::Timeout, "Request timed out."),
            (FredKind::Unknown, "Failed to route command."),
        ] {
            let error = mapped(kind, details);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{details}");
            assert!(error.is_transient());
        }
    }
}
