//! What the screens show, in 80×24 and in other sizes. The captured screens are the pictures of `docs/dashboard.md`.

use std::time::Duration;

use rasynq::{Task, TaskState};

use super::picture;
use super::world::{HOUR, SIZE, World};

#[tokio::test(flavor = "multi_thread")]
async fn queues_tasks_servers_and_schedulers_are_shown_on_80_columns_and_24_lines() {
    let world = World::new().await;
    let server = world.serve().await;
    let scheduler = world.schedule().await;
    fill(&world).await;
    let Some(terminal) = world.dash() else {
        return;
    };

    // queues, with figures that move
    let screen = terminal
        .shows(&["1 Queues", "beats", "default", "mail", "5 queues", "live"])
        .await;
    assert_eq!(screen.lines().count(), 24, "{screen}");
    terminal.press(&["Home", "Down"]);
    terminal.shows(&["── default ──"]).await;
    steady_work(&world).await;
    terminal
        .becomes("default has rates".to_owned(), has_rates)
        .await;
    picture::write(&terminal, "queues", SIZE);

    // the tasks of a queue, state by state
    terminal.press(&["Enter"]);
    terminal
        .shows(&["default › active", "vid-1", "video:encode", "held"])
        .await;
    terminal.press(&["Right"]);
    terminal
        .shows(&[
            "default › scheduled",
            "later-1",
            "in 59m",
            "newsletter:send",
        ])
        .await;
    terminal.press(&["Right"]);
    terminal
        .shows(&["default › retry", "rep-1", "1/25", "dial tcp 10.0"])
        .await;
    picture::write(&terminal, "tasks", SIZE);
    terminal.press(&["Right"]);
    terminal
        .shows(&["default › archived", "old-1", "0/0"])
        .await;
    terminal.press(&["Right"]);
    terminal
        .shows(&["default › completed", "{\"sent\":true}"])
        .await;
    terminal.press(&["Tab"]);
    terminal
        .shows(&["default › aggregating", "news-1", "digest"])
        .await;

    // the groups
    terminal.press(&["g"]);
    terminal
        .shows(&["default › groups", "digest", "1 group"])
        .await;
    terminal.press(&["Enter"]);
    terminal.shows(&["group digest", "news-1", "news-2"]).await;
    terminal.press(&["Escape"]);
    terminal.shows(&["default › groups"]).await;
    terminal.press(&["Escape"]);
    terminal.shows(&["default › aggregating"]).await;

    // one task
    terminal.press(&["Left", "Left", "Left", "Left", "Left"]);
    terminal.shows(&["default › active", "vid-1"]).await;
    terminal.press(&["Enter"]);
    let texts = [
        "task vid-1",
        "runs on",
        "lease ends",
        "1,250 of 5,000 (25%): encoding",
        "held by this task",
        "  \"title\": \"Caf\\u0007é\"",
    ];
    terminal.shows(&texts).await;
    picture::write(&terminal, "task", SIZE);
    terminal.press(&["End"]);
    terminal.shows(&["headers (1)", "tenant: acme"]).await;

    // servers and runs
    terminal.press(&["2"]);
    terminal
        .shows(&[
            "1 server",
            "active",
            "2/10",
            "default 3, mail 1",
            "vid-1",
            "vid-2",
        ])
        .await;
    picture::write(&terminal, "servers", SIZE);
    terminal.press(&["w", "/"]);
    terminal.type_text("vid-2");
    terminal.press(&["Enter"]);
    terminal.shows(&["search: vid-2", "1 run"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["task vid-2"]).await;

    // schedulers and ticks
    terminal.press(&["3"]);
    terminal
        .shows(&[
            "leads (2 entries)",
            "@every 1s",
            "heartbeat",
            "0 3 * * *",
            "2 entries",
        ])
        .await;
    picture::write(&terminal, "schedulers", SIZE);
    terminal.press(&["Enter"]);
    terminal
        .shows(&["@every 1s heartbeat", "enqueued (UTC)", " tick"])
        .await;
    terminal.press(&["Enter"]);
    terminal
        .shows(&["› task ", "heartbeat", "beats", "\"from\": \"scheduler\""])
        .await;

    // help
    terminal.press(&["?"]);
    terminal
        .shows(&["Keys on this screen", "archive the task"])
        .await;
    picture::write(&terminal, "help", SIZE);
    terminal.press(&["q", "q"]);
    terminal.shows(&["code=0"]).await;
    scheduler.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_shows_only_the_tasks_that_match() {
    let world = World::new().await;
    for n in 1..=40 {
        let payload = format!(r#"{{"user":{{"id":{n}}}}}"#);
        world
            .enqueue(&format!("mail-{n}"), Task::new("email:send", payload))
            .await;
        world
            .enqueue(&format!("sms-{n}"), Task::new("sms:send", "{}"))
            .await;
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["80 tasks, page 1 of 5", "mail-1 "]).await;
    terminal.press(&["End"]);
    terminal.shows(&["page 5 of 5", "sms-40"]).await;
    terminal.press(&["/"]);
    terminal.type_text("type:email:* json:user.id=7");
    terminal.press(&["Enter"]);
    let screen = terminal
        .shows(&["filter: type:email:* json:user.id=7", "1 found", "mail-7 "])
        .await;
    assert!(!screen.contains("sms-"), "{screen}");
    terminal.press(&["Escape"]);
    terminal.shows(&["80 tasks, page 1 of 5"]).await;
    terminal.press(&["/"]);
    terminal.type_text("older:x");
    terminal.press(&["Enter"]);
    terminal.shows(&["is no span of time"]).await;
    terminal.press(&["Escape"]);
    terminal.hides("filter: older").await;
    terminal.press(&["/"]);
    terminal.type_text("type:sms:*");
    terminal.press(&["Enter"]);
    terminal.shows(&["40 found"]).await;
    terminal.press(&["D"]);
    terminal
        .shows(&[
            "Delete all tasks:",
            "matching type:sms:*",
            "40 tasks",
            "y yes",
        ])
        .await;
    picture::write(&terminal, "confirm", SIZE);
    terminal.press(&["n"]);
    terminal.hides("y yes").await;
    assert_eq!(
        world.inspector.queue_info("default").await.unwrap().pending,
        80
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_follows_the_size_of_the_terminal() {
    let world = World::new().await;
    for n in 0..30 {
        let task = Task::new("email:send", "{}").queue(format!("queue-{n:02}"));
        world.client.enqueue(task).await.unwrap();
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    let screen = terminal.shows(&["30 queues", "queue-13", "? help"]).await;
    assert!(!screen.contains("queue-14"), "{screen}");
    terminal.resize((120, 40));
    let screen = terminal.shows(&["queue-29", "done/s lately"]).await;
    assert_eq!(screen.lines().count(), 40);
    terminal.resize((60, 14));
    let screen = terminal.shows(&["queue-08", "? help"]).await;
    assert_eq!(screen.lines().count(), 14);
    assert!(!screen.contains("queue-09"), "{screen}");
    terminal.resize((40, 10));
    terminal
        .shows(&["The terminal is too small:", "40 columns, 10 lines."])
        .await;
    // No key is taken for an answer on a screen that nobody sees.
    terminal.press(&["p", "y"]);
    terminal.resize((80, 24));
    terminal.shows(&["queue-13"]).await;
    assert!(
        !world
            .inspector
            .queue_info("queue-00")
            .await
            .unwrap()
            .is_paused()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_queues_are_scrolled_and_searched() {
    let world = World::new().await;
    for n in 0..1000 {
        let task = Task::new("email:send", "{}").queue(format!("queue-{n:04}"));
        world.client.enqueue(task).await.unwrap();
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["1,000 queues", "queue-0013"]).await;
    terminal.press(&["End"]);
    terminal
        .becomes("the last queue was read".to_owned(), |screen| {
            let last = screen.lines().find(|line| line.starts_with(" queue-0999"));
            last.is_some_and(|line| line.split_whitespace().nth(1) == Some("1"))
        })
        .await;
    terminal.press(&["/"]);
    terminal.type_text("-05");
    terminal.shows(&["100 queues", "queue-0500"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_colour_is_used_if_the_environment_forbids_it() {
    let world = World::new().await;
    world.enqueue("a", Task::new("email:send", "{}")).await;
    let Some(terminal) = world.dash_with(&[("NO_COLOR", "1")]) else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    let plain = terminal.coloured();
    assert!(
        plain.contains("\u{1b}[7m") || plain.contains(";7m"),
        "the selected row is reversed"
    );
    assert!(!has_colours(&plain), "{plain:?}");
    drop(terminal);
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    assert!(has_colours(&terminal.coloured()));
}

/// Whether a sequence sets a colour: 30 to 38, 40 to 48, 90 to 97.
fn has_colours(captured: &str) -> bool {
    captured.split("\u{1b}[").skip(1).any(|sequence| {
        let numbers = sequence.split('m').next().unwrap_or_default();
        numbers.split(';').any(|number| {
            let number: u32 = number.parse().unwrap_or_default();
            matches!(number, 30..=38 | 40..=48 | 90..=97)
        })
    })
}

/// Tasks in every state.
async fn fill(world: &World) {
    let video = |n: u32| {
        Task::new(
            "video:encode",
            format!(r#"{{"title":"Caf\u0007é","part":{n},"tags":["new","hd"]}}"#),
        )
        .header("tenant", "acme")
        .unique(HOUR)
        .timeout(HOUR)
    };
    for n in 1..=2 {
        let id = format!("vid-{n}");
        world.enqueue(&id, video(n)).await;
        world.is_in("default", &id, TaskState::Active).await;
    }
    for n in 1..=3 {
        let letter = Task::new("newsletter:send", format!(r#"{{"issue":{n}}}"#)).process_in(HOUR);
        world.enqueue(&format!("later-{n}"), letter).await;
        let report = Task::new("report:daily", format!(r#"{{"day":{n}}}"#));
        world.enqueue(&format!("rep-{n}"), report).await;
        world
            .is_in("default", &format!("rep-{n}"), TaskState::Retry)
            .await;
        let old = Task::new("report:weekly", "{}").max_retry(0);
        world.enqueue(&format!("old-{n}"), old).await;
        world
            .is_in("default", &format!("old-{n}"), TaskState::Archived)
            .await;
        let news = Task::new("news", format!(r#"{{"n":{n}}}"#)).group("digest");
        world.enqueue(&format!("news-{n}"), news).await;
    }
    for n in 1..=25 {
        let mail = Task::new("email:welcome", format!(r#"{{"user_id":{n}}}"#)).retention(HOUR);
        world.enqueue(&format!("done-{n}"), mail).await;
    }
    world.has("default", TaskState::Completed, 25).await;
    for n in 1..=12 {
        let mail = Task::new("email:welcome", format!(r#"{{"user_id":{n}}}"#)).queue("slow");
        world.enqueue(&format!("slow-{n}"), mail).await;
    }
    let mail = Task::new("email:welcome", "{}")
        .queue("mail")
        .retention(HOUR);
    world.enqueue("mail-1", mail).await;
    let paused = Task::new("email:welcome", "{}").queue("paused-for-now");
    world.enqueue("paused-1", paused).await;
    world.inspector.pause_queue("paused-for-now").await.unwrap();
}

/// Work for a few seconds, so that there are rates.
async fn steady_work(world: &World) {
    for round in 0..30_u64 {
        for n in 0..round % 7 + 1 {
            let mail = Task::new("email:welcome", format!(r#"{{"user_id":{n}}}"#));
            world.client.enqueue(mail).await.unwrap();
        }
        // the work that the sparklines show takes its time
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the line of the queue `default` shows that tasks are processed.
fn has_rates(screen: &str) -> bool {
    let processed = screen
        .lines()
        .find(|line| line.trim_start().starts_with("processed"));
    processed.is_some_and(|line| line.chars().any(|char| ('▂'..='█').contains(&char)))
}
