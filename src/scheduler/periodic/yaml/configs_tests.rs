//! Entries of YAML texts, and the errors of wrong ones.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use super::*;

fn read(text: &str) -> Result<Vec<Entry>, YamlFault> {
    entries_of("tasks.yaml", text)
}

/// The error of an entry with the two needed keys and this line.
fn error_of_line(line: &str) -> String {
    let text = format!("configs:\n  - cronspec: '@daily'\n    task_type: a\n    {line}\n");
    let fault = read(&text).expect_err(&text);
    assert_eq!(fault.at.unwrap().line, 4, "{line}: {fault:?}");
    fault.text
}

fn error_of(text: &str) -> String {
    let fault = read(text).expect_err(text);
    match fault.at {
        Some(at) => format!("{at}: {}", fault.text),
        None => fault.text,
    }
}

#[test]
fn an_entry_has_what_its_keys_say() {
    let text = r#"
configs:
  - cronspec: "* * * * *"
    task_type: email:welcome
  - cronspec: 0 30 9 LW * ? 2030-2040
    dialect: cronexpr
    task_type: email:digest
    payload: {user_id: 42, tags: [b, a], at: 1.50, html: <p>}
    queue: critical
    max_retry: 3
    timeout: 30s
    deadline: 2030-01-31T12:00:00+01:00
    unique: 1h30m
    process_in: 500ms
    retention: 24h
    group: digests
    task_id: digest
    headers: {trace: "1", empty: ""}
    name: the digest
    jitter: 5s
    missed: once
"#;
    let entries = read(text).unwrap();
    let [plain, full] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(plain.spec, "* * * * *");
    let task = plain.task.as_ref().unwrap();
    assert_eq!(
        (task.task_type(), task.payload()),
        ("email:welcome", &b""[..])
    );
    assert_eq!((&plain.options, &plain.name), (&Vec::new(), &None));
    assert_eq!(full.schedule.as_ref().unwrap().dialect(), "cronexpr");
    let task = full.task.as_ref().unwrap();
    assert_eq!(task.task_type(), "email:digest");
    let json = r#"{"at":1.5,"html":"\u003cp\u003e","tags":["b","a"],"user_id":42}"#;
    assert_eq!(str::from_utf8(task.payload()).unwrap(), json);
    assert_eq!(full.name.as_deref(), Some("the digest"));
    assert_eq!(
        (full.jitter, full.missed),
        (Duration::from_secs(5), Missed::Once)
    );
    let secs = Duration::from_secs;
    let header = |name: &str, value: &str| TaskOption::Header(name.to_owned(), value.to_owned());
    let expected = [
        TaskOption::Queue("critical".to_owned()),
        TaskOption::MaxRetry(3),
        TaskOption::Timeout(secs(30)),
        TaskOption::Deadline("2030-01-31T11:00:00Z".parse().unwrap()),
        TaskOption::Unique(secs(5400)),
        TaskOption::ProcessIn(Duration::from_millis(500)),
        TaskOption::Retention(secs(86_400)),
        TaskOption::Group("digests".to_owned()),
        TaskOption::TaskId("digest".to_owned()),
        header("trace", "1"),
        header("empty", ""),
    ];
    assert_eq!(full.options, expected);
}

#[test]
fn a_text_is_the_payload_and_any_other_value_is_json() {
    for (payload, expected) in [
        ("plain text", "plain text"),
        ("'42'", "42"),
        ("'{\"a\": 1}'", "{\"a\": 1}"),
        ("''", ""),
        ("", ""),
        ("~", ""),
        ("42", "42"),
        ("1.0", "1"),
        ("true", "true"),
        ("[1, ~]", "[1,null]"),
        ("{}", "{}"),
    ] {
        let text = format!("configs: [{{cronspec: '@daily', task_type: a, payload: {payload}}}]");
        let task = read(&text).unwrap()[0].task.as_ref().unwrap().clone();
        assert_eq!(task.payload(), expected.as_bytes(), "{payload}");
    }
}

#[test]
fn an_empty_list_is_no_entries() {
    assert_eq!(read("configs: []").unwrap().len(), 0);
}

#[test]
fn a_file_of_another_form_is_an_error() {
    for (text, error) in [
        (
            "",
            "the file is empty, expected the key \"configs\" with a list of entries",
        ),
        (
            "# none\n",
            "the file is empty, expected the key \"configs\" with a list of entries",
        ),
        (
            "---\n",
            "1:4: expected a mapping with the key \"configs\", found nothing",
        ),
        (
            "- a\n",
            "1:1: expected a mapping with the key \"configs\", found a list",
        ),
        (
            "{}\n",
            "1:1: expected the key \"configs\" with a list of entries",
        ),
        (
            "config: []\n",
            "1:1: unknown key \"config\", expected \"configs\"",
        ),
        (
            "configs:\n",
            "1:8: configs: expected a list of entries ([] if there are none), found nothing",
        ),
        (
            "configs: {a: 1}\n",
            "1:10: configs: expected a list of entries ([] if there are none), found a mapping",
        ),
        (
            "configs: [a]\n",
            "1:11: expected an entry with the keys \"cronspec\" and \"task_type\", found a text",
        ),
        (
            "configs:\n  - task_type: a\n",
            "2:5: this entry has no \"cronspec\"",
        ),
        (
            "configs:\n  - cronspec: '@daily'\n",
            "2:5: this entry has no \"task_type\"",
        ),
        (
            "configs:\n  - cronspec: '@daily'\n  - task_type: b\n",
            "2:5: this entry has no \"task_type\"",
        ),
        (
            "configs: []\nconfigs: []\n",
            "2:1: the key \"configs\" is here twice, first in line 1",
        ),
        (
            "configs:\n- cronspec:\n",
            "2:11: cronspec: expected a text, found nothing",
        ),
        ("configs:\n- cronspec: ' '\n", "2:13: cronspec is blank"),
        ("configs:\n- task_type: ''\n", "2:14: task_type is blank"),
    ] {
        assert_eq!(error_of(text), error, "{text:?}");
    }
}

#[test]
fn a_value_of_a_wrong_type_is_an_error_that_says_what_is_right() {
    for (line, expected) in [
        (
            "queue: 1",
            "queue: expected a text (in quotes if it is not one without them), found a number",
        ),
        (
            "name: true",
            "name: expected a text (in quotes if it is not one without them), found true or false",
        ),
        (
            "group: [a]",
            "group: expected a text (in quotes if it is not one without them), found a list",
        ),
        ("task_id: ''", "task_id is blank"),
        (
            "max_retry: '3'",
            "max_retry: expected a whole number from 0 to 2147483647, found a text",
        ),
        (
            "max_retry: -1",
            "max_retry: expected a whole number from 0 to 2147483647, found a number",
        ),
        (
            "max_retry: 2147483648",
            "max_retry: expected a whole number from 0 to 2147483647, found a number",
        ),
        (
            "max_retry: 1.5",
            "max_retry: expected a whole number from 0 to 2147483647, found a number",
        ),
        (
            "timeout: 30",
            "timeout: expected a duration with its unit, as \"30s\", \"1h30m\" or \"24h\" (units: ns, us, ms, s, m, h), found a number",
        ),
        (
            "timeout: '30'",
            "timeout: missing unit in duration \"30\", expected a duration with its unit, as \"30s\", \"1h30m\" or \"24h\" (units: ns, us, ms, s, m, h)",
        ),
        (
            "retention: 1d",
            "retention: unknown unit \"d\" in duration \"1d\", expected a duration with its unit, as \"30s\", \"1h30m\" or \"24h\" (units: ns, us, ms, s, m, h)",
        ),
        (
            "unique: -1s",
            "unique: the duration \"-1s\" is negative, expected a duration with its unit, as \"30s\", \"1h30m\" or \"24h\" (units: ns, us, ms, s, m, h)",
        ),
        (
            "deadline: 2030-01-31",
            "deadline: \"2030-01-31\" is no time (premature end of input), expected a time with its zone, as \"2030-01-31T12:00:00Z\" or \"2030-01-31T12:00:00+01:00\"",
        ),
        (
            "deadline: 1893456000",
            "deadline: expected a time with its zone, as \"2030-01-31T12:00:00Z\" or \"2030-01-31T12:00:00+01:00\", found a number",
        ),
        (
            "headers: a",
            "expected headers as a mapping of names to texts, found a text",
        ),
        (
            "headers: {a: 1}",
            "a: expected a text (in quotes if it is not one without them), found a number",
        ),
        (
            "dialect: quartz",
            "dialect: expected \"standard\" or \"cronexpr\", found \"quartz\"",
        ),
        (
            "missed: 1",
            "missed: expected \"skip\" or \"once\", found a number",
        ),
    ] {
        assert_eq!(error_of_line(line), expected, "{line}");
    }
    let unknown = error_of_line("cron_spec: a");
    assert!(
        unknown.starts_with("unknown key \"cron_spec\", expected one of cronspec, task_type,"),
        "{unknown}"
    );
}

#[test]
fn errors_do_not_repeat_payloads_and_headers() {
    for line in [
        "payload: {secret: 0123}",
        "payload: [.nan]",
        "headers: {token: 123}",
        "payload: 0123",
    ] {
        let error = error_of_line(line);
        assert!(!error.contains("123") && !error.contains("nan"), "{error}");
    }
}

#[test]
fn a_spec_that_does_not_parse_and_a_wrong_option_are_named_with_their_lines() {
    let text = "configs:\n  - task_type: a\n    cronspec: '61 * * * *'\n  - task_type: b\n    cronspec: '@daily'\n    unique: 10ms\n";
    let entries = read(text).unwrap();
    let error = entries[0].readable().expect_err("61").to_string();
    assert!(
        error.starts_with("tasks.yaml:3:15: ") && error.contains("61"),
        "{error}"
    );
    let error = entries[1].check().expect_err("10ms").to_string();
    assert!(
        error.starts_with("tasks.yaml:5:15: ") && error.contains("unique TTL is 10ms"),
        "{error}"
    );
}
