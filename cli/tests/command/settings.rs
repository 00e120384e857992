//! Where Redis is: flags, the environment, the file.

use std::fs;

use rasynq::{Client, Connection, Task};

use crate::common::{Command, RedisServer, support::RedisCluster};

/// A Redis on TCP that has the queue `found`.
pub(crate) async fn redis_with_queue(password: Option<&str>, database: u8) -> RedisServer {
    let mut builder = RedisServer::builder().tcp();
    if let Some(password) = password {
        builder = builder.password(password);
    }
    let redis = builder.start().await;
    let connection = Connection::from_uri(&redis.uri())
        .expect("a connection")
        .database(database);
    add_queue(&connection).await;
    redis
}

/// Makes the queue `found`.
pub(crate) async fn add_queue(connection: &Connection) {
    let client = Client::connect(connection).await.expect("a client");
    client
        .enqueue(Task::new("x", "x"))
        .queue("found")
        .await
        .expect("enqueued");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_asynq_lead_to_redis() {
    let redis = redis_with_queue(Some("secret"), 3).await;
    let address = format!("127.0.0.1:{}", redis.port());
    let command = Command::with_url(None);
    for arguments in [
        vec![
            "--uri",
            &address,
            "--db",
            "3",
            "--password",
            "secret",
            "queue",
            "ls",
        ],
        vec!["queue", "ls", "-u", &address, "-n", "3", "-p", "secret"],
        vec![
            "queue",
            "list",
            &format!("--uri=redis://:secret@{address}/3"),
        ],
        vec![
            "queue",
            "ls",
            "--username=default",
            "-p=secret",
            "-n=3",
            &format!("-u={address}"),
        ],
    ] {
        assert_eq!(command.output(&arguments).await, "found\n", "{arguments:?}");
    }
    let ran = command
        .run(&["queue", "ls", "-u", &address, "-n", "3"])
        .await;
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_asynq_leads_to_redis() {
    let redis = redis_with_queue(Some("secret"), 3).await;
    let command = Command::with_url(None);
    let port = redis.port();
    let file = format!("uri: 127.0.0.1:{port}\ndb: 3\npassword: secret\n");
    fs::write(command.home.path().join(".asynq.yaml"), &file).expect("written");
    assert_eq!(command.output(&["queue", "ls"]).await, "found\n");
    // a flag overrides its setting, the others stay
    let ran = command.run(&["queue", "ls", "--db", "2"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    let other = command.home.path().join("other.yaml");
    fs::write(&other, "db: 2\nurl: x\n").expect("written");
    let other = other.to_str().expect("UTF-8");
    let ran = command.run(&["queue", "ls", "--config", other]).await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("url: there is no such setting"),
        "{ran:?}"
    );
    assert_eq!(
        command
            .run(&["queue", "ls", "--config", "/no/such"])
            .await
            .code,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_url_goes_before_the_file_and_flags_before_both() {
    let redis = redis_with_queue(None, 0).await;
    let empty = RedisServer::builder().tcp().start().await;
    let command = Command::on(&redis);
    let file = format!("uri: 127.0.0.1:{}\ndb: 5\n", empty.port());
    fs::write(command.home.path().join(".asynq.yaml"), &file).expect("written");
    assert_eq!(command.output(&["queue", "ls"]).await, "found\n");
    let ran = command.run(&["queue", "ls", "--uri", &empty.uri()]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_reached_by_asynqs_flags() {
    let cluster = RedisCluster::start().await;
    let command = Command::with_url(None);
    let nodes = cluster.addresses();
    let addresses: Vec<String> = nodes
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    let addresses = addresses.join(",");
    let on_cluster = |arguments: &str| {
        let words = arguments.split_whitespace().map(str::to_owned);
        let flags = [
            "--cluster".to_owned(),
            format!("--cluster_addrs={addresses}"),
        ];
        words.chain(flags).collect::<Vec<String>>()
    };
    let output = async |arguments: &str| {
        let arguments = on_cluster(arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        command.output(&arguments).await
    };
    output("task enqueue -t x -l x -q critical").await;
    let listed = output("queue ls").await;
    assert!(
        listed.starts_with("Queue     Cluster KeySlot  Cluster Nodes\n"),
        "{listed}"
    );
    assert!(listed.contains("critical"), "{listed}");
    assert!(
        output("stats")
            .await
            .contains("Redis Cluster Info\nState  Known Nodes  Cluster Size\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_settings_is_a_regular_file_of_at_most_1_mib() {
    let redis = redis_with_queue(None, 0).await;
    let command = Command::with_url(None);
    let path = |name: &str| {
        let path = command.home.path().join(name);
        path.to_str().expect("UTF-8").to_owned()
    };
    let pipe = path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let settings = format!("uri: 127.0.0.1:{}\n", redis.port());
    let longest = settings + &"#".repeat(1024 * 1024);
    let (long, too_long) = (path("long"), path("too-long"));
    fs::write(&long, &longest[..1024 * 1024]).expect("written");
    fs::write(&too_long, &longest[..=1024 * 1024]).expect("written");
    let found = command.output(&["queue", "ls", "--config", &long]).await;
    assert_eq!(found, "found\n");
    for flag in ["--config", "--tls_ca"] {
        for (file, fault) in [
            (&pipe, "is not a regular file"),
            (&"/dev/zero".to_owned(), "is not a regular file"),
            (&too_long, "is longer than 1 MiB"),
        ] {
            let ran = command.run(&["queue", "ls", flag, file]).await;
            assert_eq!(ran.code, 2, "{flag} {file}: {ran:?}");
            let told = format!("{file}: {fault}\n");
            assert!(ran.stderr.ends_with(&told), "{flag} {file}: {ran:?}");
        }
    }
}
