//! Examples for the pages of the manual.

/// The examples of a page: what each does, and its line.
pub(super) fn examples(page: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLES
        .iter()
        .filter(move |(of, _, _)| *of == page)
        .map(|(_, what, line)| (*what, *line))
}

/// The page, what the example does, and its line.
const EXAMPLES: [(&str, &str, &str); 42] = [
    (
        "rasynq",
        "Shows all queues, their sizes by state, and Redis:",
        "rasynq stats --uri redis://localhost:6379",
    ),
    (
        "rasynq",
        "Runs the tasks again that a timeout has archived, and before that counts them:",
        "rasynq task runall -q default -s archived --error timeout --dry-run",
    ),
    (
        "rasynq-stats",
        "Shows all queues, with an estimate of their memory:",
        "rasynq stats --memory",
    ),
    ("rasynq-queue", "Lists the queues:", "rasynq queue ls"),
    (
        "rasynq-queue-ls",
        "Lists the queues as JSON:",
        "rasynq queue ls --json",
    ),
    (
        "rasynq-queue-inspect",
        "Shows two queues:",
        "rasynq queue inspect default low",
    ),
    (
        "rasynq-queue-history",
        "Shows how many tasks a queue has processed in the last week:",
        "rasynq queue history default --days 7",
    ),
    (
        "rasynq-queue-pause",
        "Pauses a queue: its pending tasks are no longer fetched.",
        "rasynq queue pause low",
    ),
    (
        "rasynq-queue-unpause",
        "Resumes a queue:",
        "rasynq queue unpause low",
    ),
    (
        "rasynq-queue-rm",
        "Removes a queue with all its tasks, without a question:",
        "rasynq queue rm old --force --yes",
    ),
    (
        "rasynq-task",
        "Lists the tasks that wait for a retry:",
        "rasynq task ls -q default -s retry",
    ),
    (
        "rasynq-task-ls",
        "Lists the second page of the tasks that wait for a retry:",
        "rasynq task ls -q default -s retry --page 2",
    ),
    (
        "rasynq-task-ls",
        "Lists all archived tasks of a type that failed with a timeout:",
        "rasynq task ls -q default -s archived --type 'email:*' --error timeout --all",
    ),
    (
        "rasynq-task-inspect",
        "Shows everything about a task:",
        "rasynq task inspect -q default -i mail-1",
    ),
    (
        "rasynq-task-enqueue",
        "Enqueues a task that is due in ten minutes:",
        "rasynq task enqueue -t email:welcome -l '{\"user\":42}' --process_in 10m",
    ),
    (
        "rasynq-task-enqueue",
        "Takes the payload from standard input:",
        "rasynq task enqueue -t report:daily --payload-file - -q low",
    ),
    (
        "rasynq-task-cancel",
        "Asks the servers to cancel a run:",
        "rasynq task cancel video-1",
    ),
    (
        "rasynq-task-run",
        "Makes two tasks pending now:",
        "rasynq task run -q default -i mail-1 -i mail-2",
    ),
    (
        "rasynq-task-archive",
        "Archives a task:",
        "rasynq task archive -q default -i mail-1",
    ),
    (
        "rasynq-task-delete",
        "Deletes a task:",
        "rasynq task delete -q default -i mail-1",
    ),
    (
        "rasynq-task-runall",
        "Makes all tasks pending that wait for a retry:",
        "rasynq task runall -q default -s retry",
    ),
    (
        "rasynq-task-archiveall",
        "Archives the tasks of a tenant:",
        "rasynq task archiveall -q default -s pending --header tenant=acme",
    ),
    (
        "rasynq-task-deleteall",
        "Deletes what was archived more than a week ago:",
        "rasynq task deleteall -q default -s archived --older-than 7d --yes",
    ),
    (
        "rasynq-task-wait",
        "Waits for a task, and writes its result into a file:",
        "rasynq task wait -q default -i export-1 --timeout 10m",
    ),
    (
        "rasynq-task-copy",
        "Enqueues a copy of an archived task:",
        "rasynq task copy -q default -i mail-1",
    ),
    (
        "rasynq-task-reschedule",
        "Makes a task due in an hour:",
        "rasynq task reschedule -q default -i mail-1 --process_in 1h",
    ),
    (
        "rasynq-task-update",
        "Takes the new payload from a file:",
        "rasynq task update -q default -i mail-1 --payload-file new.json",
    ),
    (
        "rasynq-group",
        "Lists the groups of a queue:",
        "rasynq group ls -q default",
    ),
    (
        "rasynq-group-ls",
        "Lists the groups of a queue:",
        "rasynq group ls -q default",
    ),
    ("rasynq-server", "Lists the servers:", "rasynq server ls"),
    (
        "rasynq-server-ls",
        "Lists the servers, and what they run:",
        "rasynq server ls --workers",
    ),
    (
        "rasynq-cron",
        "Lists the entries of all schedulers:",
        "rasynq cron ls",
    ),
    (
        "rasynq-cron-ls",
        "Lists the entries of all schedulers:",
        "rasynq cron ls",
    ),
    (
        "rasynq-cron-history",
        "Shows which tasks an entry has enqueued:",
        "rasynq cron history e3581a31-24c3-570e-8b4b-6c4de5ea3450",
    ),
    (
        "rasynq-cron-run",
        "Enqueues the task of an entry now:",
        "rasynq cron run e3581a31-24c3-570e-8b4b-6c4de5ea3450",
    ),
    (
        "rasynq-cron-next",
        "Shows when a spec fires next:",
        "rasynq cron next '30 9 * * 1-5' --zone Europe/Berlin",
    ),
    (
        "rasynq-dash",
        "Shows everything live, read every five seconds:",
        "rasynq dash --refresh 5s",
    ),
    (
        "rasynq-metrics",
        "Serves the figures of two queues on all addresses:",
        "rasynq metrics --listen :9876 --queues default,low",
    ),
    (
        "rasynq-doctor",
        "Looks for damage, and repairs it:",
        "rasynq doctor --fix",
    ),
    (
        "rasynq-watch",
        "Shows two queues every ten seconds:",
        "rasynq watch default low --interval 10s",
    ),
    (
        "rasynq-completions",
        "Prints the completions for bash:",
        "rasynq completions bash",
    ),
    (
        "rasynq-man",
        "Writes the pages of all verbs into a folder:",
        "rasynq man --out ./man1",
    ),
];

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::*;
    use crate::args::Arguments;
    use crate::verbs::man::{name_of_page, verbs};

    /// The words of a line as a shell reads them: `'` quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (number, part) in line.split('\'').enumerate() {
            if number % 2 == 1 {
                words.last_mut().expect("a word").push_str(part);
                continue;
            }
            for (number, word) in part.split(' ').enumerate() {
                if number > 0 {
                    words.push(String::new());
                }
                words.last_mut().expect("a word").push_str(word);
            }
        }
        words
    }

    #[test]
    fn each_example_is_a_line_that_the_command_accepts() {
        for (page, _, line) in EXAMPLES {
            let prefix = page.replace('-', " ");
            assert!(line.starts_with(&prefix), "{page}: {line}");
            Arguments::try_parse_from(words(line)).expect(line);
        }
    }

    #[test]
    fn each_page_has_an_example() {
        let mut root = Arguments::command();
        root.build();
        let mut left: Vec<&Command> = vec![&root];
        while let Some(command) = left.pop() {
            let name = name_of_page(command);
            assert!(examples(name).next().is_some(), "{name}");
            left.extend(verbs(command));
        }
    }
}
