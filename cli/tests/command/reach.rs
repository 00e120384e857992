//! Redis with TLS, and behind sentinels.

use rasynq::{Connection, TlsOptions};

use crate::common::support::{MASTER, RedisSentinel};
use crate::common::{Command, RedisServer};
use crate::settings::{add_queue, redis_with_queue};

#[tokio::test(flavor = "multi_thread")]
async fn tls_flags_lead_to_redis() {
    if !RedisServer::supports_tls() {
        return;
    }
    let redis = RedisServer::builder().tls().start().await;
    let certificates = redis.certificates();
    let tls = TlsOptions::new()
        .ca_pem(certificates.ca_pem())
        .client_certificate_pem(
            certificates.client_cert_pem(),
            certificates.client_key_pem(),
        )
        .server_name("localhost");
    let connection = Connection::tcp("127.0.0.1", redis.port()).tls(tls);
    add_queue(&connection).await;
    let command = Command::with_url(None);
    let write = |name: &str, text: String| {
        let path = command.home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let ca = certificates.ca_path();
    let ca = ca.to_str().expect("UTF-8");
    let certificate = write("cert.pem", certificates.client_cert_pem());
    let key = write("key.pem", certificates.client_key_pem());
    let address = format!("localhost:{}", redis.port());
    let files = [
        "--tls_ca",
        ca,
        "--tls_cert",
        &certificate,
        "--tls_key",
        &key,
    ];
    let mut arguments = vec!["queue", "ls", "-u", &address];
    arguments.extend(files);
    assert_eq!(command.output(&arguments).await, "found\n");
    let address = format!("127.0.0.1:{}", redis.port());
    let mut arguments = vec!["queue", "ls", "-u", &address, "--tls_server", "localhost"];
    arguments.extend(files);
    assert_eq!(command.output(&arguments).await, "found\n");
    // the system does not trust the authority of the test
    let ran = command.run(&["queue", "ls", "-u", &address, "--tls"]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    let ran = command
        .run(&["queue", "ls", "--tls_cert", &certificate])
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_uri_leads_to_the_master() {
    let redis = redis_with_queue(None, 0).await;
    let sentinel = RedisSentinel::start(&redis).await;
    let command = Command::with_url(None);
    let uri = format!(
        "redis-sentinel://127.0.0.1:{}/0?master={MASTER}",
        sentinel.port()
    );
    assert_eq!(
        command.output(&["queue", "ls", "--uri", &uri]).await,
        "found\n"
    );
}
