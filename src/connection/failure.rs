//! fred's errors as ours, in one place.

use fred::error::{Error as FredError, ErrorKind as FredKind};

use crate::error::{Error, ErrorKind};

/// Replies that will be other ones after a while, without anyone changing anything.
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

/// What to say of a failure with `what` (“enqueue task `id` in queue `q`”): whose matter it is,
/// and the reason.
///
/// [`ErrorKind::Unavailable`] also where it is unknown whether a write has had its effect.
pub(crate) fn map_redis_error(error: FredError, what: &str) -> Error {
    let (kind, reason) = classify(&error);
    Error::new(kind, format!("{what}: {reason}")).with_source(error)
}

/// The same for an error that a script caught and handed on as text.
pub(crate) fn map_error_reply(text: &str, what: &str) -> Error {
    map_redis_error(FredError::new(FredKind::Unknown, text.to_owned()), what)
}

/// Whether Redis has refused a script because its keys are of several slots.
pub(crate) fn crosses_slots(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<FredError>())
        .is_some_and(|source| reply_code(source.details()) == Some("CROSSSLOT"))
}

/// What Redis said within a script: version 6 puts the place in front, and a dash.
fn innermost(details: &str) -> &str {
    let details = details.trim_end();
    details
        .rsplit_once("@user_script: ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(details, |(_line, said)| said.trim_start_matches('-'))
}

fn classify(error: &FredError) -> (ErrorKind, String) {
    let details = innermost(error.details());
    // of a command within a script, with ERR in front as of Redis 7
    if details.contains("The user executing the script can't") {
        let reason = format!("Redis does not permit this to the user: {details}");
        return (ErrorKind::Redis, reason);
    }
    match reply_code(details) {
        Some("LOADING") => {
            let reason = "Redis is still loading its data".to_owned();
            return (ErrorKind::Unavailable, reason);
        }
        Some("READONLY") => {
            let reason = format!("this Redis is a read-only replica: {details}");
            return (ErrorKind::Unavailable, reason);
        }
        Some(code) if TRANSIENT_REPLIES.contains(&code) => {
            return (
                ErrorKind::Unavailable,
                format!("Redis cannot serve this now: {details}"),
            );
        }
        Some("NOAUTH") => {
            let reason = "Redis asks for a password, and none is set".to_owned();
            return (ErrorKind::Redis, reason);
        }
        Some("WRONGPASS") => {
            let reason = "Redis refuses the password, or knows no such user".to_owned();
            return (ErrorKind::Redis, reason);
        }
        Some("NOPERM") => {
            let reason = format!("Redis does not permit this to the user: {details}");
            return (ErrorKind::Redis, reason);
        }
        Some("OOM") => {
            let reason = format!("Redis is out of memory: {details}");
            return (ErrorKind::Redis, reason);
        }
        Some("WRONGTYPE") => {
            let reason = format!("a key holds another type of value: {details}");
            return (ErrorKind::Redis, reason);
        }
        Some(_) => return (ErrorKind::Redis, format!("Redis answered {details}")),
        None => {}
    }
    match error.kind() {
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
        // Among these, what fred says of a connection that is being made again.
        | FredKind::Unknown => (
            ErrorKind::Unavailable,
            format!("the connection to Redis failed: {details}"),
        ),
        #[cfg(feature = "tls")]
        FredKind::Tls => (
            ErrorKind::Unavailable,
            format!("no TLS with this Redis: {details}"),
        ),
        FredKind::Auth => (
            ErrorKind::Redis,
            format!("Redis refuses the login: {details}"),
        ),
        FredKind::Protocol | FredKind::Parse | FredKind::NotFound => (
            ErrorKind::Redis,
            format!("Redis answered something unexpected: {details}"),
        ),
        _ => (ErrorKind::Redis, details.to_owned()),
    }
}

/// The first word of an error reply. fred's own errors are sentences, Redis' begin with a word in
/// capitals.
fn reply_code(details: &str) -> Option<&str> {
    let code = details.split_whitespace().next()?;
    let is_code = code.len() > 1 && code.bytes().all(|b| b.is_ascii_uppercase());
    is_code.then_some(code)
}

/// Whether the server does not know the command `HELLO`, which is in every Redis since 6.0.
pub(super) fn is_unknown_hello(error: &FredError) -> bool {
    let details = error.details().to_ascii_lowercase();
    details.contains("unknown command") && details.contains("hello")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_redis_6_says_within_a_script_is_found_behind_the_place() {
        use super::innermost;
        assert_eq!(
            innermost("@user_script: 35: -READONLY You can't write"),
            "READONLY You can't write"
        );
        let raised =
            "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: WRONGTYPE no";
        assert_eq!(innermost(raised), "WRONGTYPE no");
        let of_seven = "OOM not allowed script: 1, on @user_script:40.";
        assert_eq!(innermost(of_seven), of_seven);
    }

    use super::*;

    fn mapped(kind: FredKind, details: &'static str) -> Error {
        map_redis_error(FredError::new(kind, details), "enqueue")
    }

    #[test]
    fn replies_that_pass_are_unavailable_and_others_are_redis_errors() {
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
