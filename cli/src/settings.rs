//! How to reach Redis: flags, then the environment, then the file, then asynq's defaults.
//!
//! Each setting is looked up by itself: `--db` may come from a flag and the address from the file. There is one
//! exception: a URI with a scheme describes its Redis completely. What it leaves out has the default, and settings
//! of the environment and the file that rank below it are not used. So a password in the file never goes to a server
//! that a URI names. Flags beside a URI count.

use std::env;
use std::path::{Path, PathBuf};

use rasynq::{Connection, TlsOptions};

use crate::args::{ConnectionArguments, Switch};
use crate::config_file;
use crate::failure::Failure;
use crate::small_file;

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 6379;
/// asynq's default of `--cluster_addrs`.
const DEFAULT_CLUSTER_PORTS: std::ops::RangeInclusive<u16> = 7000..=7005;

/// The environment variable with the URI of Redis.
const REDIS_URL: &str = "REDIS_URL";

/// Where Redis is.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connection: Connection,
    pub(crate) is_cluster: bool,
}

/// What the flags, the environment and the file describe.
pub(crate) fn read(flags: &ConnectionArguments) -> Result<Settings, Failure> {
    let environment = ConnectionArguments {
        uri: env::var(REDIS_URL).ok().filter(|uri| !uri.is_empty()),
        ..ConnectionArguments::default()
    };
    let file = match config_path(flags) {
        Some(path) => config_file::read(&path)?,
        None => ConnectionArguments::default(),
    };
    let joined = join(flags.clone(), environment, file);
    Ok(Settings {
        connection: to_connection(&joined)?,
        is_cluster: is_on(joined.cluster),
    })
}

fn is_on(switch: Option<Switch>) -> bool {
    switch.is_some_and(|switch| switch.is_on())
}

/// The file that is named, or the one of asynq's command if there is one.
fn config_path(flags: &ConnectionArguments) -> Option<PathBuf> {
    if let Some(path) = &flags.config {
        return Some(path.clone());
    }
    let home = PathBuf::from(env::var_os("HOME")?);
    [".asynq.yaml", ".asynq.yml"]
        .map(|name| home.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Each setting from the first source that has it; nothing from below a URI.
fn join(
    flags: ConnectionArguments,
    environment: ConnectionArguments,
    file: ConnectionArguments,
) -> ConnectionArguments {
    let mut joined = flags;
    for lower in [environment, file] {
        // The flags say that it is a cluster, so a URI further down means something else.
        let is_cluster = is_on(joined.cluster);
        let is_complete = joined.uri.as_deref().is_some_and(is_uri) && !is_cluster;
        if is_complete {
            break;
        }
        joined = ConnectionArguments {
            config: joined.config,
            uri: joined.uri.or(lower.uri),
            db: joined.db.or(lower.db),
            password: joined.password.or(lower.password),
            username: joined.username.or(lower.username),
            cluster: joined.cluster.or(lower.cluster),
            cluster_addrs: joined.cluster_addrs.or(lower.cluster_addrs),
            tls: joined.tls.or(lower.tls),
            tls_server: joined.tls_server.or(lower.tls_server),
            tls_ca: joined.tls_ca.or(lower.tls_ca),
            tls_cert: joined.tls_cert.or(lower.tls_cert),
            tls_key: joined.tls_key.or(lower.tls_key),
            insecure: joined.insecure.or(lower.insecure),
        };
    }
    joined
}

fn to_connection(settings: &ConnectionArguments) -> Result<Connection, Failure> {
    if is_on(settings.insecure) {
        return Err(Failure::usage(
            "insecure: rasynq always checks the certificate of Redis; trust your own authority with --tls_ca",
        ));
    }
    let is_cluster = is_on(settings.cluster);
    let mut connection = match (&settings.uri, is_cluster) {
        (_, true) => Connection::cluster(cluster_nodes(settings)?),
        (Some(uri), false) if is_uri(uri) => Connection::from_uri(uri)?,
        (Some(path), false) if path.starts_with('/') => {
            let text =
                format!("{path:?} is no address; that of a unix socket is redis-socket://{path}");
            return Err(Failure::usage(text));
        }
        (Some(address), false) => {
            let (host, port) = host_and_port(address, DEFAULT_PORT)?;
            Connection::tcp(host, port)
        }
        (None, false) => Connection::tcp(DEFAULT_HOST, DEFAULT_PORT),
    };
    if let Some(username) = &settings.username {
        connection = connection.username(username);
    }
    // asynq takes an empty password for none.
    if let Some(password) = settings.password.as_ref().filter(|text| !text.is_empty()) {
        connection = connection.password(password);
    }
    if let Some(db) = settings.db {
        connection = connection.database(db);
    }
    match tls(settings)? {
        Some(options) => Ok(connection.tls(options)),
        None => Ok(connection),
    }
}

fn tls(settings: &ConnectionArguments) -> Result<Option<TlsOptions>, Failure> {
    let server_name = settings.tls_server.as_ref().filter(|name| !name.is_empty());
    let is_on = match settings.tls {
        Some(tls) => tls.is_on(),
        None => {
            let files = [&settings.tls_ca, &settings.tls_cert, &settings.tls_key];
            server_name.is_some() || files.iter().any(|file| file.is_some())
        }
    };
    if !is_on {
        return Ok(None);
    }
    let mut options = TlsOptions::new();
    if let Some(name) = server_name {
        options = options.server_name(name);
    }
    if let Some(path) = &settings.tls_ca {
        options = options.ca_pem(contents(path, "tls_ca")?);
    }
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            let certificate = contents(certificate, "tls_cert")?;
            options = options.client_certificate_pem(certificate, contents(key, "tls_key")?);
        }
        (None, None) => {}
        _ => {
            return Err(Failure::usage(
                "tls_cert and tls_key: one is given without the other",
            ));
        }
    }
    Ok(Some(options))
}

fn contents(path: &Path, setting: &str) -> Result<Vec<u8>, Failure> {
    small_file::read(path)
        .map_err(|error| Failure::usage(format!("{setting}: {}: {error}", path.display())))
}

fn is_uri(text: &str) -> bool {
    text.contains("://")
}

fn cluster_nodes(settings: &ConnectionArguments) -> Result<Vec<(String, u16)>, Failure> {
    let Some(addresses) = &settings.cluster_addrs else {
        let ports = DEFAULT_CLUSTER_PORTS;
        return Ok(ports.map(|port| (DEFAULT_HOST.to_owned(), port)).collect());
    };
    addresses
        .split(',')
        .map(|address| host_and_port(address.trim(), DEFAULT_PORT))
        .collect()
}

/// `host`, `host:port`, `:port`, `[::1]:port`
fn host_and_port(address: &str, default_port: u16) -> Result<(String, u16), Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{address:?} is not an address such as 127.0.0.1:6379"
        ))
    };
    let (host, port) = match address.rsplit_once(':') {
        // An IPv6 address without a port has colons too.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => (address, ""),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = match port {
        "" => default_port,
        digits => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(wrong)?,
    };
    match host {
        "" if address.is_empty() => Err(wrong()),
        "" => Ok(("localhost".to_owned(), port)),
        host if host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') => Err(wrong()),
        host => Ok((host.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut ConnectionArguments)) -> ConnectionArguments {
        let mut settings = ConnectionArguments::default();
        change(&mut settings);
        settings
    }

    fn shown(
        flags: ConnectionArguments,
        environment: ConnectionArguments,
        file: ConnectionArguments,
    ) -> String {
        match to_connection(&join(flags, environment, file)) {
            Ok(connection) => connection.to_string(),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn without_settings_redis_is_where_asynq_looks() {
        let none = ConnectionArguments::default;
        let default = Connection::tcp("127.0.0.1", 6379).to_string();
        assert_eq!(shown(none(), none(), none()), default);
        let cluster = settings(|flags| flags.cluster = "true".parse().ok());
        let nodes = (7000..=7005).map(|port| ("127.0.0.1", port));
        let default = Connection::cluster(nodes).to_string();
        assert_eq!(shown(cluster, none(), none()), default);
    }

    #[test]
    fn each_setting_comes_from_the_first_source_that_has_it() {
        let none = ConnectionArguments::default;
        let file = settings(|file| {
            file.uri = Some("file:1".to_owned());
            file.db = Some(3);
        });
        let flags = settings(|flags| flags.uri = Some("flag:2".to_owned()));
        let expected = Connection::tcp("flag", 2).database(3).to_string();
        assert_eq!(shown(flags, none(), file.clone()), expected);
        let environment = settings(|environment| environment.uri = Some("env:4".to_owned()));
        let expected = Connection::tcp("env", 4).database(3).to_string();
        assert_eq!(shown(none(), environment, file), expected);
    }

    #[test]
    fn nothing_from_below_a_uri_is_used() {
        let file = settings(|file| {
            file.db = Some(3);
            file.password = Some("secret".to_owned());
            file.cluster = "true".parse().ok();
        });
        let environment = settings(|env| env.uri = Some("redis://other:5".to_owned()));
        let joined = join(ConnectionArguments::default(), environment, file.clone());
        assert_eq!((joined.db, joined.password), (None, None));
        let flags = settings(|flags| {
            flags.uri = Some("redis://other:5/1".to_owned());
            flags.db = Some(7);
        });
        let expected = Connection::tcp("other", 5).database(7).to_string();
        assert_eq!(shown(flags, ConnectionArguments::default(), file), expected);
    }

    #[test]
    fn addresses_are_host_and_port() {
        for (address, host, port) in [
            ("redis", "redis", 6379),
            ("redis:1", "redis", 1),
            (":7001", "localhost", 7001),
            ("[::1]:7001", "::1", 7001),
            ("::1", "::1", 6379),
        ] {
            let found = host_and_port(address, DEFAULT_PORT).expect(address);
            assert_eq!(found, (host.to_owned(), port), "{address}");
        }
        for address in [
            "",
            "redis:x",
            "redis:0",
            "redis:70000",
            "a b",
            "user@redis",
            "redis/0",
        ] {
            assert!(host_and_port(address, DEFAULT_PORT).is_err(), "{address}");
        }
    }

    #[test]
    fn certificates_are_always_checked() {
        let flags = settings(|flags| flags.insecure = "true".parse().ok());
        let none = ConnectionArguments::default;
        assert!(shown(flags, none(), none()).starts_with("insecure:"));
    }
}
