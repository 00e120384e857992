//! Maps fred's errors to rasynq's [`Error`].

use fred::error::{Error as FredError, ErrorKind as FredKind};

use crate::error::{Error, ErrorKind};

/// The codes of transient error replies: the same command may succeed later.
const TRANSIENT_REPLIES: [&str; 7] = [
    "MOVED",
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "MISCONF",
];

/// The error for an operation that failed. `what` names the operation: "enqueue task `id` in queue
/// `q`".
///
/// The kind is also [`ErrorKind::Unavailable`] if it is unknown whether a write took effect.
pub(crate) fn map_redis_error(error: FredError, what: &str) -> Error {
    map_with_hint(error, what, "")
}

/// The same for a connection that could not be opened to a server that had no address of TLS, or had one. A server that
/// expects the other one of the two leaves or is silent, without a reason.
pub(super) fn map_connect_error(error: FredError, what: &str, has_tls: bool) -> Error {
    let hint = match (has_tls, in_words(error.details()).as_str()) {
        (true, NO_ANSWER | CLOSED | RESET) => "; perhaps it does not speak TLS at this port",
        (false, CLOSED | RESET) => "; perhaps it expects TLS at this port",
        _ => "",
    };
    map_with_hint(error, what, hint)
}

fn map_with_hint(error: FredError, what: &str, hint: &str) -> Error {
    let (kind, reason) = classify(&error);
    let is_outage = is_lost_connection(&error);
    Error::new(kind, format!("{what}: {reason}{hint}"))
        .with_client_error(error)
        .caused_by_outage(is_outage)
}

/// The error for an operation whose script caught an error reply and returned its text.
pub(crate) fn map_error_reply(text: &str, what: &str) -> Error {
    map_redis_error(FredError::new(FredKind::Unknown, text.to_owned()), what)
}

/// The error for an operation that Redis refused because keys have another type than they should. `wrong` names them.
pub(crate) fn map_wrong_type(error: FredError, what: &str, wrong: &str) -> Error {
    // Operators search for the word of Redis.
    let text = format!("{what}: WRONGTYPE: a key has a value of another type: {wrong}");
    Error::new(ErrorKind::Redis, text).with_client_error(error)
}

/// Whether Redis refused a command because a key has another type.
pub(crate) fn is_wrong_type(error: &FredError) -> bool {
    reply_code(strip_script_position(error.details())) == Some("WRONGTYPE")
}

/// The same for the error that became of it.
pub(crate) fn has_wrong_type(error: &Error) -> bool {
    fred_error(error).is_some_and(is_wrong_type)
}

/// Whether Redis refused a script because its keys belong to several hash slots of the cluster.
pub(crate) fn crosses_slots(error: &Error) -> bool {
    fred_error(error).is_some_and(|error| reply_code(error.details()) == Some("CROSSSLOT"))
}

/// Whether a node of a cluster has sent a command on to another node.
pub(crate) fn is_redirection(error: &Error) -> bool {
    fred_error(error)
        .is_some_and(|error| matches!(reply_code(error.details()), Some("MOVED" | "ASK")))
}

/// The error reply of a command within a script, without what Redis adds to it. Redis 6 puts the name of the script, the
/// line and perhaps a dash before it; Redis 7 puts the script's SHA-1 and the line behind it.
fn strip_script_position(details: &str) -> &str {
    let details = details.trim_end();
    let Some((before, rest)) = details.rsplit_once("@user_script:") else {
        return details;
    };
    if let Some((reply, _)) = before
        .strip_suffix(", on ")
        .and_then(|before| before.rsplit_once(" script: "))
    {
        return reply;
    }
    match rest.trim_start().split_once(": ") {
        Some((line, reply)) if line.bytes().all(|byte| byte.is_ascii_digit()) => {
            reply.trim_start_matches('-')
        }
        _ => details,
    }
}

fn classify(error: &FredError) -> (ErrorKind, String) {
    let details = strip_script_position(error.details());
    // Redis replies this if a command within a script is not permitted. Since Redis 7 the code ERR
    // precedes it.
    if details.contains("The user executing the script can't") {
        return (ErrorKind::Redis, no_permission(details));
    }
    if means_wrong_server(details) {
        return (ErrorKind::Unavailable, wrong_server(details));
    }
    if details.contains(NOT_LOCAL) {
        let reason = format!("a hash slot of the cluster is moving: {details}");
        return (ErrorKind::Unavailable, reason);
    }
    match reply_code(details) {
        Some(code) => classify_reply(code, details),
        None => classify_fred_error(error.kind(), details),
    }
}

/// What Redis replies if a script has used a key that it has not named, and that has moved to another node already.
const NOT_LOCAL: &str = "access a non local key in a cluster node";

/// Codes of replies that may mean that this is not the server to write to. `ERR` is among them, because
/// proxies answer in their own words.
const WRONG_SERVER_CODES: [&str; 5] = ["READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED", "ERR"];

/// What such a reply with the code `ERR` contains, in lower case.
const WRONG_SERVER_WORDS: [&str; 12] = [
    "readonly",
    "read only",
    "read-only",
    "masterdown",
    "master is down",
    "no master",
    "not master",
    "not a master",
    "not the master",
    "is a replica",
    "is a slave",
    "instance state changed",
];

/// Whether Redis, or a proxy before it, answers that this is not the server to write to: it is a replica,
/// perhaps since a moment ago, or it has just been started. The name of the server may lead to another one
/// by now.
pub(super) fn means_wrong_server(details: &str) -> bool {
    let details = strip_script_position(details).trim_start_matches('-');
    match reply_code(details) {
        Some("ERR") => {
            let details = details.to_ascii_lowercase();
            WRONG_SERVER_WORDS.iter().any(|word| details.contains(word))
        }
        code => code.is_some_and(|code| WRONG_SERVER_CODES.contains(&code)),
    }
}

/// The answer with which a server said that it is not the one to write to, if the error is that. A script
/// may have caught the answer.
pub(super) fn wrong_server_answer(error: &Error) -> Option<&str> {
    let details = fred_error(error)?.details();
    means_wrong_server(details).then_some(details)
}

/// Whether connecting failed because Redis does not know the command `HELLO`, or no RESP3. Every Redis since
/// 6.0 knows both, but the command may be renamed, and proxies may lack it.
pub(super) fn lacks_hello(error: &Error) -> bool {
    fred_error(error).is_some_and(|error| {
        reply_code(error.details()) == Some("NOPROTO") || is_unknown_command(error, "hello")
    })
}

fn fred_error(error: &Error) -> Option<&FredError> {
    error.client_error()
}

fn wrong_server(details: &str) -> String {
    match reply_code(details) {
        Some("LOADING") => "Redis is still loading its data".to_owned(),
        Some("MASTERDOWN") => format!("this Redis is a replica without its master: {details}"),
        _ => format!("this Redis is a read-only replica: {details}"),
    }
}

/// What an error reply of Redis means.
fn classify_reply(code: &str, details: &str) -> (ErrorKind, String) {
    let reason = match code {
        code if TRANSIENT_REPLIES.contains(&code) => {
            format!("Redis cannot serve the command now: {details}")
        }
        "NOAUTH" => "Redis asks for a password, and none is set (NOAUTH)".to_owned(),
        "WRONGPASS" => {
            "Redis refuses the password, or has no such user, or it is disabled (WRONGPASS)"
                .to_owned()
        }
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

/// The details of the error for a connection whose runtime has ended.
pub(super) const RUNTIME_ENDED: &str = "the tokio runtime on which it was opened has ended";

/// What an error that fred itself raised means.
fn classify_fred_error(kind: &FredKind, details: &str) -> (ErrorKind, String) {
    match kind {
        FredKind::Canceled if details == RUNTIME_ENDED => (
            ErrorKind::Closed,
            format!("the connection to Redis is closed: {details}"),
        ),
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
        | FredKind::Unknown => (ErrorKind::Unavailable, connection_failed(details)),
        #[cfg(feature = "tls")]
        FredKind::Tls => (ErrorKind::Unavailable, connection_failed(details)),
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

fn connection_failed(details: &str) -> String {
    match tls_in_words(details) {
        Some(words) => format!("TLS to Redis failed: {words}"),
        None => format!("the connection to Redis failed: {}", in_words(details)),
    }
}

/// Why the TLS handshake failed, if that is what failed. The details are an error of rustls as it is written for
/// debugging, perhaps within one of the operating system: `InvalidCertificate(UnknownIssuer)`.
fn tls_in_words(details: &str) -> Option<String> {
    let within = |name: &str| {
        let (_, rest) = details.split_once(name)?;
        Some(rest.split(['(', ')', ' ']).next().unwrap_or_default())
    };
    if let Some(reason) = within("InvalidCertificate(") {
        let reason = match reason {
            "UnknownIssuer" => "is of an authority that is not trusted",
            "NotValidForName" | "NotValidForNameContext" => "is for another name",
            "Expired" | "ExpiredContext" => "has expired",
            "NotValidYet" | "NotValidYetContext" => "is not valid yet",
            other => return Some(format!("the certificate of Redis is not valid: {other}")),
        };
        return Some(format!("the certificate of Redis {reason}"));
    }
    match within("AlertReceived(") {
        Some("CertificateRequired") => Some("Redis asks for a certificate".to_owned()),
        Some(alert) => Some(format!("Redis refuses: {alert}")),
        None => details
            .contains("InvalidMessage(")
            .then(|| "the server does not speak TLS at this port".to_owned()),
    }
}

/// Whether the connection was lost, or is silent. If so, the link tells of it.
pub(super) fn is_lost_connection(error: &FredError) -> bool {
    matches!(
        error.kind(),
        FredKind::IO | FredKind::Canceled | FredKind::Timeout | FredKind::Routing
    ) && reply_code(error.details()).is_none()
}

const CLOSED: &str = "it was closed by the server";
const RESET: &str = "connection reset by peer";
const NO_ANSWER: &str = "no answer in time";

/// Why a connection failed. fred passes on an error of the operating system as it is written for debugging:
/// `Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`, `Kind(UnexpectedEof)`. Its own
/// errors are sentences.
pub(super) fn in_words(details: &str) -> String {
    let part = |begin: &str, end: &str| {
        let (_, rest) = details.split_once(begin)?;
        Some(rest.rsplit_once(end)?.0)
    };
    let text = part("message: \"", "\"")
        .or_else(|| part("error: \"", "\""))
        .or_else(|| part("error: ", " }"))
        .or_else(|| part("Kind(", ")"));
    match text.unwrap_or(details) {
        "UnexpectedEof" | "Connection closed." | "Connection Closed" => CLOSED.to_owned(),
        "Canceled." | "Canceled" => "it was lost".to_owned(),
        "BrokenPipe" => "broken pipe".to_owned(),
        "ConnectionReset" | "Connection reset by peer" => RESET.to_owned(),
        "TimedOut" | "Request timed out." => NO_ANSWER.to_owned(),
        "Failed to send command to router." | "Failed to route command." => {
            "it is not open".to_owned()
        }
        text => begin_small(text.trim_end_matches('.')),
    }
}

/// The text with a small first letter, unless it begins with a name.
fn begin_small(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first)
            if !text.starts_with("Redis")
                && !letters.clone().next().is_some_and(char::is_uppercase) =>
        {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
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

/// Whether the user may not call a command, or Redis does not know it. The command is given in lower case.
pub(super) fn is_not_available(error: &FredError, command: &str) -> bool {
    error.details().starts_with("NOPERM") || is_unknown_command(error, command)
}

fn is_unknown_command(error: &FredError, command: &str) -> bool {
    let details = error.details().to_ascii_lowercase();
    let is_unknown = [
        "unknown",
        "unsupported",
        "not supported",
        "not allowed",
        "disabled",
    ]
    .iter()
    .any(|word| details.contains(word));
    is_unknown && details.contains(command)
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
        let raised_once = "ERR Error running script (call to f_1): @user_script:69: WRONGTYPE no";
        assert_eq!(strip_script_position(raised_once), "WRONGTYPE no");
    }

    #[test]
    fn the_script_position_that_redis_7_adds_to_an_error_is_removed() {
        let readonly = "READONLY You can't write against a read only replica.";
        let position = "script: a44658f0c9ab6d3f6b7a4f8f4b3bd5e7b35d3b5f, on @user_script:257.";
        let details = format!("{readonly} {position}");
        assert_eq!(strip_script_position(&details), readonly);
        assert_eq!(
            map_error_reply(&details, "delete").to_string(),
            format!("delete: this Redis is a read-only replica: {readonly}")
        );
        let details = format!("OOM command not allowed when used memory > 'maxmemory'. {position}");
        assert_eq!(
            map_error_reply(&details, "enqueue").to_string(),
            "enqueue: Redis is out of memory: OOM command not allowed when used memory > 'maxmemory'."
        );
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
                "@user_script: 9: ERR Script attempted to access a non local key in a cluster node",
                ErrorKind::Unavailable,
            ),
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
    fn every_answer_of_a_replica_or_its_proxy_means_a_wrong_server() {
        for details in [
            "READONLY You can't write against a read only replica.",
            "ERR READONLY You can't write against a read only replica.",
            "-READONLY You can't write against a read only replica.",
            "@user_script: 35: -READONLY You can't write against a read only replica.",
            "READONLY You can't write against a read only replica. script: f1, on @user_script:3.",
            "-ERR You can't write against a read only replica",
            "ERR proxy: this node is not the master",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "LOADING Redis is loading the dataset in memory",
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        ] {
            assert!(means_wrong_server(details), "{details}");
            assert!(
                mapped(FredKind::Unknown, details).is_transient(),
                "{details}"
            );
        }
        for details in [
            "NOREPLICAS Not enough good replicas to write.",
            "MISCONF Redis is configured to save RDB snapshots, but it cannot",
            "WRONGTYPE Operation against a key: asynq:{readonly}:pending",
            "ERR value is not an integer or out of range",
            "NOPERM this user has no permissions",
        ] {
            assert!(!means_wrong_server(details), "{details}");
        }
    }

    #[test]
    fn errors_of_the_operating_system_are_told_in_words() {
        for (details, words) in [
            (
                "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }",
                "connection refused",
            ),
            (
                "Custom { kind: Uncategorized, error: \"failed to lookup address information: Name or service not known\" }",
                "failed to lookup address information: Name or service not known",
            ),
            ("Kind(UnexpectedEof)", "it was closed by the server"),
            ("Kind(BrokenPipe)", "broken pipe"),
            ("Connection closed.", "it was closed by the server"),
            ("Failed to send command to router.", "it is not open"),
            ("Redis does not answer", "Redis does not answer"),
            ("Request timed out.", "no answer in time"),
        ] {
            assert_eq!(in_words(details), words, "{details}");
        }
        let error = mapped(
            FredKind::IO,
            "Os { code: 104, kind: ConnectionReset, message: \"Connection reset by peer\" }",
        );
        assert_eq!(
            error.to_string(),
            "enqueue: the connection to Redis failed: connection reset by peer"
        );
    }

    #[test]
    fn failures_of_tls_are_told_in_words() {
        let certificate = "the certificate of Redis";
        for (details, words) in [
            (
                "InvalidCertificate(UnknownIssuer)",
                format!("{certificate} is of an authority that is not trusted"),
            ),
            (
                "Custom { kind: InvalidData, error: InvalidCertificate(NotValidForNameContext { expected: DnsName(\"a\") }) }",
                format!("{certificate} is for another name"),
            ),
            (
                "InvalidCertificate(ExpiredContext { time: 1 })",
                format!("{certificate} has expired"),
            ),
            (
                "InvalidCertificate(BadSignature)",
                format!("{certificate} is not valid: BadSignature"),
            ),
            (
                "Custom { kind: InvalidData, error: AlertReceived(CertificateRequired) }",
                "Redis asks for a certificate".to_owned(),
            ),
            (
                "AlertReceived(HandshakeFailure)",
                "Redis refuses: HandshakeFailure".to_owned(),
            ),
            (
                "InvalidMessage(InvalidContentType)",
                "the server does not speak TLS at this port".to_owned(),
            ),
        ] {
            let error = mapped(FredKind::IO, details);
            assert_eq!(
                error.to_string(),
                format!("enqueue: TLS to Redis failed: {words}")
            );
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
    }

    #[test]
    fn a_server_that_leaves_or_is_silent_at_the_start_may_expect_or_lack_tls() {
        for (kind, details, has_tls, hint) in [
            (
                FredKind::Timeout,
                "Request timed out.",
                true,
                "; perhaps it does not speak TLS at this port",
            ),
            (FredKind::Timeout, "Request timed out.", false, ""),
            (
                FredKind::IO,
                "Kind(UnexpectedEof)",
                false,
                "; perhaps it expects TLS at this port",
            ),
            (
                FredKind::IO,
                "Kind(UnexpectedEof)",
                true,
                "; perhaps it does not speak TLS at this port",
            ),
            (FredKind::IO, "Kind(ConnectionRefused)", true, ""),
        ] {
            let plain = mapped(kind.clone(), details).to_string();
            let error = map_connect_error(FredError::new(kind, details), "enqueue", has_tls);
            assert_eq!(error.to_string(), format!("{plain}{hint}"));
        }
    }

    #[test]
    fn an_error_with_its_sources_says_once_and_in_words_what_failed() {
        let details = "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }";
        let error = anyhow::Error::new(mapped(FredKind::IO, details));
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert!(!text.contains("Os {"), "{text}");
        }
        let words = "enqueue: the connection to Redis failed: connection refused";
        assert_eq!(format!("{error:#}"), words);
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
