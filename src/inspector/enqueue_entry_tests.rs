use std::time::Duration;

use super::*;

#[test]
fn options_are_read_as_printed() {
    let read = |text| read_option(text).expect(text);
    assert_eq!(read(r#"Queue("a)b")"#), TaskOption::Queue("a)b".to_owned()));
    assert_eq!(read("MaxRetry(3)"), TaskOption::MaxRetry(3));
    assert_eq!(
        read("Timeout(1h30m0s)"),
        TaskOption::Timeout(Duration::from_secs(5_400))
    );
    let deadline = "2006-01-02T15:04:05Z".parse().expect("a time");
    assert_eq!(
        read("Deadline(Mon Jan  2 15:04:05 UTC 2006)"),
        TaskOption::Deadline(deadline)
    );
    let header = TaskOption::Header("a".to_owned(), "b".to_owned());
    assert_eq!(read(r#"Header(["a","b"])"#), header);
    let wrong = |text| read_option(text).expect_err(text);
    assert_eq!(wrong("Shard(1)"), "\"Shard(1)\" is not an enqueue option");
    assert_eq!(wrong("Unique(-1s)"), "\"Unique(-1s)\" is negative");
    let elsewhere = "Deadline(Mon Jan  2 15:04:05 CET 2006)";
    assert_eq!(wrong(elsewhere), format!("{elsewhere:?} is not in UTC"));
}
