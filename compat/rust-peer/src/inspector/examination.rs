//! Looks for damage in a queue, or without a queue in the global keys, and repairs it. Only rasynq has this call.

use rasynq::{Inspector, Repair};
use serde_json::{Value, json};

use super::Form;
use crate::failure::Failure;

/// The damage that is found, as a list. With `fix` each one is repaired as it comes.
pub(super) async fn examine(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let mut found = Vec::new();
    let mut examination = match form.queue.as_str() {
        "" => inspector.examine_global(),
        queue => inspector.examine(queue),
    };
    while let Some(damage) = examination.next().await {
        let damage = damage?;
        let repair = match form.fix && damage.kind.is_repairable() {
            false => "none",
            true => match inspector.repair(&damage).await? {
                Repair::Repaired => "repaired",
                _ => "gone",
            },
        };
        found.push(json!({
            "kind": damage.kind.as_str(), "key": damage.key, "member": damage.member, "detail": damage.detail, "repair": repair,
        }));
    }
    Ok(found.into())
}
