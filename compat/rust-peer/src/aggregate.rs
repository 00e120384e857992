//! The aggregator of a server: it joins the payloads of a group.

use bytes::Bytes;
use rasynq::{GroupAggregator, Task};
use serde::Deserialize;
use serde_json::json;

use crate::failure::Failure;
use crate::form::{Opt, TaskForm, Template};
use crate::handler::{Reporter, fields};

/// `aggregate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregateForm {
    #[serde(default, rename = "type")]
    task_type: String,
    #[serde(default)]
    separator: String,
    opts: Option<Vec<Opt>>,
}

impl AggregateForm {
    /// The aggregator. It reports its calls to `reporter`, if there is one.
    pub(crate) fn aggregator(self, reporter: Option<Reporter>) -> Result<JoinPayloads, Failure> {
        let task = TaskForm::new(self.task_type, self.opts);
        Ok(JoinPayloads {
            template: task.template(&[])?,
            separator: self.separator,
            reporter,
        })
    }
}

/// Makes one task whose payload is the payloads joined.
pub(crate) struct JoinPayloads {
    template: Template,
    separator: String,
    reporter: Option<Reporter>,
}

impl GroupAggregator for JoinPayloads {
    async fn aggregate(&self, group: String, tasks: Vec<Task>) -> anyhow::Result<Task> {
        if let Some(reporter) = &self.reporter {
            let ids: Option<&[String]> = None; // the library does not tell them
            let event = json!({"group": group, "ids": ids, "n": tasks.len()});
            reporter.report("aggregate", fields(event));
        }
        let payloads: Vec<&[u8]> = tasks.iter().map(Task::payload).collect();
        let payload = payloads.join(self.separator.as_bytes());
        Ok(self.template.task(Some(Bytes::from(payload))))
    }
}
