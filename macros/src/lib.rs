//! The macros of rasynq. Use them through that crate: `rasynq::TaskKind` and
//! `rasynq::debug_handler`.

mod debug_handler;
mod duration;
mod task_kind;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Implements `TaskKind`: names the task type of a payload, and the options that its tasks have unless a
/// task or an enqueue call sets others.
///
/// ```ignore
/// #[derive(Serialize, Deserialize, TaskKind)]
/// #[task(type = "email:welcome", queue = "critical", max_retry = 5, timeout = "30s", unique = "10m", retention = "1h")]
/// struct Welcome { user_id: u64 }
/// ```
///
/// | key | value |
/// |---|---|
/// | `type` | the task type; the only key that must be there |
/// | `queue` | the name of the queue |
/// | `max_retry` | how many times a failed task may be retried: a number |
/// | `timeout` | how long one run may take: a duration |
/// | `unique` | the TTL of the unique lock: a duration of at least a second |
/// | `retention` | how long a completed task is kept: a duration |
/// | `codec` | the type that writes and reads the payload, such as `codec = rasynq::Protobuf`; JSON by default |
///
/// A duration is a text as in Go: `"30s"`, `"1h30m"`, `"1.5h"`. The units are `h`, `m`, `s` and `ms`.
/// A mistake is a compile error at its place.
///
/// Options of the task (`Task::typed(&value)?.queue(…)`) override these, and options of the enqueue call
/// override both.
#[proc_macro_derive(TaskKind, attributes(task))]
pub fn derive_task_kind(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as syn::DeriveInput);
    task_kind::derive(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Checks that a function is a handler, and names what is wrong with it.
///
/// Without it, the compiler says of every wrong handler only that it is no handler, where the mux gets
/// it. With it, each condition is checked alone: the two arguments and their order, `async`, the payload
/// and its codec, the error type, and whether the future is `Send`. The error is at its place in the
/// function.
///
/// ```ignore
/// #[rasynq::debug_handler]
/// async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { Ok(()) }
/// ```
///
/// The function stays as it is, and the checks cost nothing at run time. They work for free functions
/// without type parameters. An associated function of an `impl` has no `#[debug_handler]`: there the compiler says
/// that `const` items need a name.
#[proc_macro_attribute]
pub fn debug_handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    debug_handler::expand(arguments.into(), function.into()).into()
}
