use rasynq::TaskKind;

#[derive(TaskKind)]
struct NoAttribute; //~ the task type is missing: add #[task(type = "…")]

#[derive(TaskKind)]
#[task(queue = "critical")]
struct NoType; //~ the task type is missing

#[derive(TaskKind)]
#[task(type = " ")] //~ the task type is blank
struct BlankType;

#[derive(TaskKind)]
#[task(type = 5)] //~ expected a text: the task type
struct NumberType;

#[derive(TaskKind)]
#[task(type = "a", queu = "critical")] //~ unknown key: expected type, queue, max_retry, timeout, unique, retention or codec
struct UnknownKey;

#[derive(TaskKind)]
#[task(type = "a", queue = "")] //~ the name of the queue is blank
struct BlankQueue;

#[derive(TaskKind)]
#[task(type = "a", type = "b")] //~ `type` is given twice
struct Twice;

#[derive(TaskKind)]
#[task(
    type = "a",
    timeout = "30", //~ "30" has no unit: h, m, s or ms
)]
struct NoUnit;

#[derive(TaskKind)]
#[task(type = "a", retention = "1d")] //~ unknown unit "d" in "1d": h, m, s or ms
struct Days;

#[derive(TaskKind)]
#[task(type = "a", timeout = 30)] //~ expected a duration as a text, such as timeout = "10m"
struct NumberOfSeconds;

#[derive(TaskKind)]
#[task(type = "a", timeout = "0s")] //~ a timeout of zero is none: leave it out
struct Zero;

#[derive(TaskKind)]
#[task(type = "a", unique = "500ms")] //~ the TTL of a unique lock is at least 1 second and at most 100 years
struct ShortLock;

#[derive(TaskKind)]
#[task(type = "a", max_retry = "5")] //~ expected a number, such as max_retry = 5
struct TextRetry;

#[derive(TaskKind)]
#[task(type = "a", max_retry = -1)] //~ a max_retry is a number from 0 to 2147483647
struct NegativeRetry;

#[derive(TaskKind)]
#[task(type = "a", max_retry = 2147483648)] //~ a max_retry is a number from 0 to 2147483647
struct ManyRetries;

#[derive(TaskKind)]
#[task(type = "a")]
struct OnAField {
    #[task(type = "b")] //~ #[task(…)] belongs to the type, not to a part of it
    field: u64,
}

#[derive(TaskKind)]
#[task(type = "a")]
enum OnAVariant {
    #[task(type = "b")] //~ #[task(…)] belongs to the type, not to a part of it
    First,
    Second { field: u64 },
}

#[derive(TaskKind)]
#[task(type = "a")]
enum OnAFieldOfAVariant {
    First,
    Second(#[task(queue = "b")] u64), //~ #[task(…)] belongs to the type, not to a part of it
}
