//! Parses asynq's Redis URIs.
//!
//! The crate `url` cannot parse them: a list of hosts with ports is not a URL, and asynq uses Go's
//! `net/url`, which differs from it in other places too.

use percent_encoding::percent_decode_str;

use super::{Connection, DEFAULT_PORT, DEFAULT_SENTINEL_PORT, Host};
use crate::error::{Error, Result};

/// The parts of a URI. Only the query is decoded.
struct UriParts<'a> {
    scheme: String,
    userinfo: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: Vec<(String, String)>,
}

/// asynq: `ParseRedisURI`.
pub(super) fn parse(uri: &str) -> Result<Connection> {
    let parts = split(uri)?;
    match parts.scheme.as_str() {
        "redis" => parse_tcp(&parts),
        "rediss" => secure(parse_tcp(&parts)?),
        "redis-socket" => parse_socket(&parts),
        "redis-sentinel" => parse_sentinel(&parts),
        "unix" => Err(wrong(
            "unknown scheme \"unix\"; the address of a unix socket begins with redis-socket://",
        )),
        other => Err(wrong(format!(
            "unknown scheme {other:?}; the schemes are redis, rediss, redis-socket and redis-sentinel"
        ))),
    }
}

#[cfg(feature = "tls")]
fn secure(connection: Connection) -> Result<Connection> {
    Ok(connection.tls(super::TlsOptions::new()))
}

#[cfg(not(feature = "tls"))]
fn secure(_: Connection) -> Result<Connection> {
    Err(wrong(
        "rediss needs the feature `tls` of the crate rasynq, which this program does not enable",
    ))
}

fn parse_tcp(parts: &UriParts<'_>) -> Result<Connection> {
    let host = match parts.hosts {
        "" => Host::new("localhost", DEFAULT_PORT),
        host => parse_host(host, DEFAULT_PORT)?,
    };
    warn_of_unused(parts, "");
    let mut connection = Connection::tcp(host.name, host.port).database(path_database(parts)?);
    (connection.username, connection.password) = credentials(parts)?;
    Ok(connection)
}

fn parse_socket(parts: &UriParts<'_>) -> Result<Connection> {
    if parts.path.is_empty() {
        return Err(wrong("the path of the socket is missing"));
    }
    if !matches!(parts.hosts, "" | "localhost") {
        // COMPAT: asynq v0.26.0 ignores the host too
        tracing::warn!(
            host = parts.hosts,
            path = parts.path,
            "ignored the host in a redis-socket URI; an absolute path needs three slashes"
        );
    }
    let path = decode(parts.path, "path")?;
    let database = match query_value(parts, "db") {
        None | Some("") => 0,
        Some(number) => database(number, "the parameter `db`")?,
    };
    warn_of_unused(parts, "db");
    let mut connection = Connection::unix(path).database(database);
    (connection.username, connection.password) = credentials(parts)?;
    Ok(connection)
}

fn parse_sentinel(parts: &UriParts<'_>) -> Result<Connection> {
    let mut nodes = Vec::new();
    for host in parts.hosts.split(',') {
        let host = parse_host(host, DEFAULT_SENTINEL_PORT)?;
        nodes.push((host.name, host.port));
    }
    let master = match query_value(parts, "master") {
        None | Some("") => {
            return Err(wrong(
                "the parameter `master`, the name of the master, is missing",
            ));
        }
        Some(master) => master,
    };
    warn_of_unused(parts, "master");
    let mut connection = Connection::sentinel(master, nodes).database(path_database(parts)?);
    (connection.sentinel_username, connection.sentinel_password) = credentials(parts)?;
    Ok(connection)
}

fn split(uri: &str) -> Result<UriParts<'_>> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Err(wrong("it does not begin with a scheme such as redis://"));
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !scheme_ok {
        return Err(wrong("the text before :// is not a scheme"));
    }
    if uri.chars().any(|c| c.is_ascii_control()) {
        return Err(wrong("it contains a control character"));
    }
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (userinfo, hosts) = match authority.rsplit_once('@') {
        Some((userinfo, hosts)) => (Some(userinfo), hosts),
        None => (None, authority),
    };
    // A / ? or # in the login ends the authority early. Then the @ comes after the authority.
    if userinfo.is_none() && !hosts.is_empty() && uri.contains('@') {
        return Err(wrong(
            "the user or password contains a character that must be percent-encoded there \
             (such as / ? # @)",
        ));
    }
    Ok(UriParts {
        scheme: scheme.to_ascii_lowercase(),
        userinfo,
        hosts,
        path,
        query: parse_query(query),
    })
}

/// The parameters of a query, as `application/x-www-form-urlencoded`.
fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// User and password. Empty text counts as none.
fn credentials(parts: &UriParts<'_>) -> Result<(Option<String>, Option<String>)> {
    let Some(userinfo) = parts.userinfo else {
        return Ok((None, None));
    };
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let non_empty = |text: String| (!text.is_empty()).then_some(text);
    let user = non_empty(decode(user, "user")?);
    let password = non_empty(decode(password, "password")?);
    Ok((user, password))
}

fn parse_host(text: &str, default_port: u16) -> Result<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((name, port)) = rest.split_once(']') else {
                return Err(wrong(format!("the host {text:?} has no closing ]")));
            };
            match port {
                "" => (name, ""),
                port => match port.strip_prefix(':') {
                    Some(port) => (name, port),
                    None => {
                        return Err(wrong(format!(
                            "the host {text:?} has other text than a port after its ]"
                        )));
                    }
                },
            }
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let name = decode(name, "host")?;
    if name.chars().any(|c| c.is_whitespace() || c == '/') {
        return Err(wrong(format!("{name:?} is not the name of a host")));
    }
    let name = match name.as_str() {
        "" if port.is_empty() => return Err(wrong("a host is missing")),
        "" => "localhost".to_owned(),
        _ => name,
    };
    let port = match port {
        "" => default_port,
        port => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => {
                return Err(wrong(format!(
                    "the port {port:?} of the host {name:?} is not a number from 1 to 65535"
                )));
            }
        },
    };
    Ok(Host { name, port })
}

/// The database in the first segment of the path. As in asynq, further segments are ignored.
fn path_database(parts: &UriParts<'_>) -> Result<u8> {
    let path = decode(parts.path, "path")?;
    match path.trim_matches('/').split('/').next() {
        None | Some("") => Ok(0),
        Some(number) => database(number, "the first segment of the path"),
    }
}

fn database(text: &str, what: &str) -> Result<u8> {
    text.parse().map_err(|_| {
        wrong(format!(
            "{what} is {text:?}, but must be the number of a database, 0 to 255"
        ))
    })
}

fn query_value<'a>(parts: &'a UriParts<'_>, name: &str) -> Option<&'a str> {
    parts
        .query
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Like asynq, rasynq ignores unknown parameters. It logs a warning for each.
fn warn_of_unused(parts: &UriParts<'_>, used: &str) {
    for (name, _) in &parts.query {
        if name != used {
            let scheme = parts.scheme.as_str();
            tracing::warn!(
                parameter = name,
                scheme,
                "ignored an unknown parameter of a Redis URI"
            );
        }
    }
}

fn decode(text: &str, what: &str) -> Result<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong(format!(
                "a % in the {what} is not followed by two hexadecimal digits (write %25 for a \
                 percent sign)"
            )));
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(wrong(format!("the {what} is not UTF-8 after decoding"))),
    }
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("malformed Redis URI: {what}"))
}
