//! The text of a standard spec: a zone, then five fields, a descriptor or `@every`.

use std::time::Duration;

use chrono_tz::Tz;

use super::StandardSpec;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH};
use crate::wire::go_duration::GoDuration;

/// A spec of the standard dialect.
pub(in crate::cron) enum Standard {
    Fields(StandardSpec),
    /// `@every`, in whole seconds and at least 1 s.
    Every(Duration),
}

/// Reads a spec. The zone is the one that the spec names; `None` if it names none or the local one.
pub(in crate::cron) fn parse(spec: &str) -> Result<(Standard, Option<Tz>), String> {
    if spec.is_empty() {
        return Err("the text is empty".to_owned());
    }
    let (zone, rest) = split_zone(spec)?;
    let parsed = match rest.starts_with('@') {
        true => parse_descriptor(rest)?,
        false => Standard::Fields(parse_fields(rest)?),
    };
    Ok((parsed, zone))
}

fn split_zone(spec: &str) -> Result<(Option<Tz>, &str), String> {
    let Some(rest) = ["TZ=", "CRON_TZ="]
        .iter()
        .find_map(|prefix| spec.strip_prefix(prefix))
    else {
        return Ok((None, spec));
    };
    // COMPAT: robfig panics if no space follows
    let Some((name, rest)) = rest.split_once(' ') else {
        return Err(format!("nothing follows the time zone {rest:?}"));
    };
    let zone = match name {
        "" => Some(Tz::UTC),
        "Local" => None,
        name => Some(
            name.parse()
                .map_err(|_| format!("there is no time zone {name:?}"))?,
        ),
    };
    Ok((zone, rest.trim()))
}

fn parse_fields(text: &str) -> Result<StandardSpec, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
        return Err(format!(
            "5 fields are needed (minute, hour, day of month, month, day of week), but there are {}",
            fields.len()
        ));
    };
    Ok(StandardSpec {
        minute: MINUTE.parse(minute)?,
        hour: HOUR.parse(hour)?,
        day_of_month: DAY_OF_MONTH.parse(day_of_month)?,
        month: MONTH.parse(month)?,
        day_of_week: DAY_OF_WEEK.parse(day_of_week)?,
    })
}

fn parse_descriptor(text: &str) -> Result<Standard, String> {
    if let Some(duration) = text.strip_prefix("@every ") {
        return parse_every(duration);
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return Err(format!(
                "descriptor {text:?} is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, \
                 @hourly and @every with a duration"
            ));
        }
    };
    parse_fields(fields).map(Standard::Fields)
}

fn parse_every(text: &str) -> Result<Standard, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("@every: {error}"))?;
    let seconds = u64::try_from(duration.as_nanos()).unwrap_or(0) / 1_000_000_000;
    Ok(Standard::Every(Duration::from_secs(seconds.max(1))))
}
