//! SCRIPT: the steps of a handler.

use std::time::Duration;

use bytes::Bytes;
use rasynq::{Revoke, RunEnded, SkipRetry, TaskContext};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::duration::GoDuration;
use crate::form::Data;

/// SCRIPT.
#[derive(Debug, Deserialize)]
#[serde(try_from = "ScriptForm")]
pub(crate) enum Script {
    /// The payload is the script.
    FromPayload,
    /// The steps of the first run, the second, …. The last ones serve all later runs.
    Attempts(Vec<Vec<Step>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptForm {
    attempts: Option<Vec<Vec<Step>>>,
    #[serde(default)]
    from_payload: bool,
}

impl TryFrom<ScriptForm> for Script {
    type Error = &'static str;

    fn try_from(form: ScriptForm) -> Result<Self, &'static str> {
        match (form.from_payload, form.attempts) {
            (true, None) => Ok(Self::FromPayload),
            (true, Some(_)) => Err("a script comes from the payload or has attempts, not both"),
            (false, attempts) => Ok(Self::Attempts(attempts.unwrap_or_default())),
        }
    }
}

/// STEP.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Sleep(GoDuration),
    Block(GoDuration),
    Result(Option<Data>),
    Emit(Map<String, Value>),
    Return(Return),
    Panic(String),
    AwaitEnd(GoDuration),
}

/// What a script returns.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Return {
    Ok,
    Error(String),
    SkipRetry(String),
    Revoke(String),
}

/// What a run of a script comes to.
pub(crate) enum Outcome {
    Ok,
    Error(anyhow::Error),
    SkipRetry(String),
    Revoke(String),
    Panic(String),
    Context(RunEnded),
}

impl Script {
    /// Reads the script that is the payload. If it is invalid, the script returns an error.
    pub(crate) fn of_payload(payload: &[u8]) -> Self {
        let why = match serde_json::from_slice(payload) {
            Ok(Self::FromPayload) => "it refers to the payload".to_owned(),
            Ok(script) => return script,
            Err(error) => error.to_string(),
        };
        let error = format!("the payload is not a script: {why}");
        Self::Attempts(vec![vec![Step::Return(Return::Error(error))]])
    }

    /// Whether every run succeeds at once.
    pub(crate) fn is_trivial(&self) -> bool {
        match self {
            Self::FromPayload => false,
            Self::Attempts(attempts) => attempts
                .iter()
                .all(|steps| matches!(steps.first(), None | Some(Step::Return(Return::Ok)))),
        }
    }

    /// Whether the run after that many retries blocks its thread.
    pub(crate) fn blocks(&self, retried: u32) -> bool {
        self.steps(retried)
            .iter()
            .any(|step| matches!(step, Step::Block(_)))
    }

    /// Does the steps of a run.
    pub(crate) async fn play(
        &self,
        cx: &TaskContext,
        emit: impl Fn(&Map<String, Value>),
    ) -> Outcome {
        for step in self.steps(cx.retried()) {
            match step {
                Step::Sleep(time) => {
                    if let Some(cause) = ended_within(cx, time.or_zero()).await {
                        return Outcome::Context(cause);
                    }
                }
                Step::AwaitEnd(time) => {
                    return match ended_within(cx, time.or_zero()).await {
                        Some(cause) => Outcome::Context(cause),
                        None => Outcome::Error(anyhow::anyhow!("context did not end")),
                    };
                }
                Step::Block(time) => std::thread::sleep(time.or_zero()),
                Step::Result(result) => {
                    let result = result
                        .as_ref()
                        .map_or_else(Bytes::new, |data| data.0.clone());
                    if let Err(error) = cx.write_result(result).await {
                        return Outcome::Error(error.into());
                    }
                }
                Step::Emit(fields) => emit(fields),
                Step::Panic(text) => return Outcome::Panic(text.clone()),
                Step::Return(returned) => {
                    return match returned {
                        Return::Ok => Outcome::Ok,
                        Return::Error(text) => Outcome::Error(anyhow::Error::msg(text.clone())),
                        Return::SkipRetry(text) => Outcome::SkipRetry(text.clone()),
                        Return::Revoke(text) => Outcome::Revoke(text.clone()),
                    };
                }
            }
        }
        Outcome::Ok
    }

    fn steps(&self, retried: u32) -> &[Step] {
        match self {
            Self::FromPayload => &[],
            Self::Attempts(attempts) => attempts
                .get(retried as usize)
                .or(attempts.last())
                .map_or(&[], Vec::as_slice),
        }
    }
}

/// Waits for the end of the context for that time; `None`: it did not end.
async fn ended_within(cx: &TaskContext, time: Duration) -> Option<RunEnded> {
    tokio::select! {
        biased;
        () = cx.cancellation().cancelled() => Some(end_of_context(cx)),
        () = tokio::time::sleep(time) => None,
    }
}

/// Why the context has ended.
pub(crate) fn end_of_context(cx: &TaskContext) -> RunEnded {
    cx.ended().unwrap_or(RunEnded::Canceled)
}

impl Outcome {
    /// Its name in the `end` event.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error(_) => "error",
            Self::SkipRetry(_) => "skip_retry",
            Self::Revoke(_) => "revoke",
            Self::Panic(_) => "panic",
            Self::Context(_) => "context",
        }
    }

    /// The text of the error.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Ok => None,
            Self::Error(error) => Some(format!("{error:#}")),
            Self::SkipRetry(text) | Self::Revoke(text) | Self::Panic(text) => Some(text.clone()),
            Self::Context(cause) => Some(cause.to_string()),
        }
    }

    /// What the handler returns.
    ///
    /// # Panics
    /// If the script says so.
    pub(crate) fn into_result(self) -> anyhow::Result<()> {
        match self {
            Self::Ok => Ok(()),
            Self::Error(error) => Err(error),
            Self::SkipRetry(text) => Err(SkipRetry::new(text).into()),
            Self::Revoke(text) => Err(Revoke::new(text).into()),
            Self::Panic(text) => panic!("{text}"),
            Self::Context(cause) => Err(cause.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Script, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn the_number_of_retries_chooses_the_steps() {
        let script = script(r#"{"attempts":[[{"block":"1s"}],[{"return":"ok"}]]}"#).expect("valid");
        assert!(script.blocks(0));
        assert!(!script.blocks(1));
        assert!(!script.blocks(7));
        assert!(!script.is_trivial());
    }

    #[test]
    fn a_script_that_only_returns_ok_is_trivial() {
        for text in [
            "{}",
            r#"{"attempts":[[]]}"#,
            r#"{"attempts":[[{"return":"ok"},{"panic":"never"}]]}"#,
        ] {
            assert!(script(text).expect(text).is_trivial(), "{text}");
        }
        assert!(
            !script(r#"{"from_payload":true}"#)
                .expect("valid")
                .is_trivial()
        );
    }

    #[test]
    fn invalid_scripts_are_refused() {
        for text in [
            r#"{"attempts":[[{"dance":"1s"}]]}"#,
            r#"{"attempts":[[{"return":"well"}]]}"#,
            r#"{"attempts":[[{"sleep":"1s","block":"1s"}]]}"#,
            r#"{"attempts":[[{"sleep":null}]]}"#,
            r#"{"attempts":[],"from_payload":true}"#,
            r#"{"colour":1}"#,
        ] {
            assert!(script(text).is_err(), "{text}");
        }
        script(r#"{"attempts":[[{"result":null}]]}"#).expect("a result may be nil");
    }
}
