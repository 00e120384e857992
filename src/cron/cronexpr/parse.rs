//! The text of a spec: five to seven fields, or a descriptor; and the items with letters of the day fields.

use super::CronexprSpec;
use super::days::{DaysOfMonth, DaysOfWeek};
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, Item, MINUTE, MONTH, SECOND, YEAR};
use super::numbers::Numbers;
use crate::cron::names::lowercase;

/// What separates fields.
const BLANKS: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// Reads a spec.
pub(in crate::cron) fn parse(spec: &str) -> Result<CronexprSpec, String> {
    let text = spec.trim_matches(BLANKS);
    match text.contains('@') {
        true => parse_descriptor(text),
        false => parse_fields(text),
    }
}

/// COMPAT: the module replaces a descriptor in the middle of a text too: `1@daily` is `10 0 0 * * * *`, at ten
/// seconds past midnight, and what follows a descriptor counts for nothing.
fn parse_descriptor(text: &str) -> Result<CronexprSpec, String> {
    parse_fields(match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return Err(format!(
                "{text:?} is not a descriptor (@yearly, @annually, @monthly, @weekly, @daily, @hourly)"
            ));
        }
    })
}

fn parse_fields(text: &str) -> Result<CronexprSpec, String> {
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        return Err("a spec of this dialect cannot name a time zone".to_owned());
    }
    let fields: Vec<&str> = text
        .split(BLANKS)
        .filter(|field| !field.is_empty())
        .collect();
    let (second, minute, hour, day_of_month, month, day_of_week, year) = match fields[..] {
        [m, h, dom, month, dow] => (None, m, h, dom, month, dow, None),
        [m, h, dom, month, dow, year] => (None, m, h, dom, month, dow, Some(year)),
        [s, m, h, dom, month, dow, year] => (Some(s), m, h, dom, month, dow, Some(year)),
        [] => return Err("the text is empty".to_owned()),
        // COMPAT: the module ignores what follows the seventh field.
        _ => {
            return Err(format!(
                "5, 6 or 7 fields are needed (minute, hour, day of month, month, day of week; the sixth is the year; \
                 of seven the first is the second), but there are {}",
                fields.len()
            ));
        }
    };
    Ok(CronexprSpec {
        seconds: second.map_or(Ok(Numbers::one(0)), |text| SECOND.parse(text))?,
        minutes: MINUTE.parse(minute)?,
        hours: HOUR.parse(hour)?,
        days_of_month: parse_days_of_month(day_of_month)?,
        months: MONTH.parse(month)?,
        days_of_week: parse_days_of_week(day_of_week)?,
        years: YEAR.parse(year.unwrap_or("*"))?,
    })
}

fn parse_days_of_month(text: &str) -> Result<DaysOfMonth, String> {
    let mut days = DaysOfMonth::default();
    for item in DAY_OF_MONTH.items(text)? {
        match lowercase(item).as_str() {
            "l" => days.last_day = true,
            "lw" => days.last_weekday = true,
            lower => match lower.strip_suffix('w') {
                Some(day) => {
                    let day = DAY_OF_MONTH.parse_value(day, item)?;
                    days.nearest_weekdays.insert(day);
                }
                None => match DAY_OF_MONTH.parse_item(item)? {
                    Item::Any => days.is_any = true,
                    Item::Numbers(numbers) => days.days.extend(numbers),
                },
            },
        }
    }
    Ok(days)
}

fn parse_days_of_week(text: &str) -> Result<DaysOfWeek, String> {
    let mut days = DaysOfWeek::default();
    for item in DAY_OF_WEEK.items(text)? {
        let lower = lowercase(item);
        if let Some(day) = lower.strip_suffix('l') {
            days.last.insert(DAY_OF_WEEK.parse_value(day, item)?);
        } else if let Some((day, week)) = lower.split_once('#') {
            let day = DAY_OF_WEEK.parse_value(day, item)?;
            let [week @ b'1'..=b'5'] = week.as_bytes() else {
                let fault = format!("the week {week:?} is not a number from 1 to 5");
                return Err(DAY_OF_WEEK.fault(item, &fault));
            };
            days.nth[usize::from(week - b'1')].insert(day);
        } else {
            match DAY_OF_WEEK.parse_item(item)? {
                Item::Any => days.is_any = true,
                Item::Numbers(numbers) => days.days.extend(numbers),
            }
        }
    }
    Ok(days)
}
