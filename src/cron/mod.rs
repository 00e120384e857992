//! Cron specs: when something happens again and again.
//!
//! Pure computation: a spec is parsed once, and asked for the next time after a given one. It owns nothing in
//! Redis; the phase of `@every` is the scheduler's.

mod bits;
mod cronexpr;
mod field_kind;
mod local_time;
mod names;
mod standard;
mod words;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::error::{Error, Result};
use cronexpr::CronexprSpec;
use local_time::LocalTime;
use standard::{Standard, StandardSpec};

/// When something happens again and again: a cron spec, parsed.
///
/// [`standard`](Self::standard) reads the specs of asynq, and [`cronexpr`](Self::cronexpr) those of another Go
/// module. A schedule is cheap to clone. Two schedules are equal if their dialects and their texts are.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use rasynq::{Schedule, Tz};
///
/// let schedule = Schedule::standard("30 9 * * MON-FRI")?;
/// let friday = Utc.with_ymd_and_hms(2026, 7, 31, 12, 0, 0).unwrap();
/// let next = schedule.next_after(friday, Tz::Europe__Berlin);
/// // Monday, 09:30 in Berlin
/// assert_eq!(next, Some(Utc.with_ymd_and_hms(2026, 8, 3, 7, 30, 0).unwrap()));
///
/// let error = Schedule::standard("61 * * * *").unwrap_err();
/// assert_eq!(error.to_string(), r#"cron spec "61 * * * *": minute 61 is above 59"#);
/// # Ok::<_, rasynq::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule(Arc<ParsedSpec>);

struct ParsedSpec {
    /// The text as given.
    text: String,
    /// The zone that the text names.
    zone: Option<Tz>,
    rule: Rule,
}

/// What a spec of any dialect says.
enum Rule {
    Standard(StandardSpec),
    Cronexpr(CronexprSpec),
    /// In whole seconds, at least 1 s.
    Every(Duration),
}

impl Schedule {
    /// Reads a spec as asynq does (robfig/cron v3, `ParseStandard`): `minute hour day-of-month month day-of-week`,
    /// a descriptor, or `@every` with a Go duration.
    ///
    /// | field | values | also |
    /// |---|---|---|
    /// | minute | 0–59 | |
    /// | hour | 0–23 | |
    /// | day of month | 1–31 | |
    /// | month | 1–12 | `JAN`–`DEC`, in any case |
    /// | day of week | 0–6, from Sunday | `SUN`–`SAT`, in any case |
    ///
    /// A field is a list, with commas, of `*` or `?` (any), a value, a range `a-b`, or one of them with a step:
    /// `*/15`, `10-30/5`; `5/10` is 5, 15, 25, … to the end of the field. If both day fields are restricted a day
    /// matches when either of them does; if one of them is a star (`*`, `?`, `*/1`, or a list with one), both must
    /// match. `*/2` and `1-31` are not stars.
    ///
    /// Descriptors: `@yearly` or `@annually`, `@monthly`, `@weekly`, `@daily` or `@midnight`, `@hourly`. `@every`
    /// takes a Go duration as `1h30m`; below 1 s it is 1 s, and fractions of a second are cut.
    ///
    /// `TZ=Europe/Berlin` or `CRON_TZ=Europe/Berlin`, and a space, may come first. That zone overrides the one that is
    /// passed to [`next_after`](Self::next_after). `TZ=Local` means the one that is passed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) names the field, its text and its bound.
    pub fn standard(spec: &str) -> Result<Self> {
        let (parsed, zone) = standard::parse(spec).map_err(|fault| invalid_spec(spec, &fault))?;
        let rule = match parsed {
            Standard::Fields(fields) => Rule::Standard(fields),
            Standard::Every(interval) => Rule::Every(interval),
        };
        Ok(Self::parsed(spec, zone, rule))
    }

    /// Reads a spec as the Go module `github.com/gorhill/cronexpr` does: five fields `minute hour day-of-month month
    /// day-of-week`; six with the year as the last; seven with the second as the first.
    ///
    /// | field | values | also |
    /// |---|---|---|
    /// | second | 0–59 | 0 if there are fewer than seven fields |
    /// | minute | 0–59 | |
    /// | hour | 0–23 | |
    /// | day of month | 1–31 | `L`: the last day; `15W`: the weekday (Monday to Friday) of the month nearest to the 15th; `LW`: the last weekday |
    /// | month | 1–12 | `JAN`–`DEC`, `january`–`december`, in any case |
    /// | day of week | 0–7, from Sunday, which is also 7 | `SUN`–`SAT`, `sunday`–`saturday`, in any case; `5L`: the last Friday; `FRI#2`: the second Friday |
    /// | year | 1970–2099 | any if there are five fields |
    ///
    /// A field is a list, with commas, of `*` or `?` (any), a value, a range `a-b`, or a step: `*/15`, `10-30/5`; `5/10`
    /// is 5, 15, 25, … to the end of the field. If both day fields are restricted a day matches when either of them
    /// does. A list with `*` or `?` is not restricted; `*/1` is.
    ///
    /// Descriptors: `@yearly` or `@annually`, `@monthly`, `@weekly`, `@daily`, `@hourly`. A spec cannot name a zone.
    ///
    /// ```
    /// use rasynq::{Schedule, Tz};
    /// let schedule = Schedule::cronexpr("0 18 LW * *")?;
    /// let next = schedule.next_after("2026-01-01T00:00:00Z".parse()?, Tz::UTC);
    /// // January 31 is a Saturday
    /// assert_eq!(next, Some("2026-01-30T18:00:00Z".parse()?));
    ///
    /// let error = Schedule::cronexpr("0 9 * * FRI-SUN").unwrap_err();
    /// let text = "cron spec \"0 9 * * FRI-SUN\": day of week \"FRI-SUN\": the range begins after its end (Sunday is the first day)";
    /// assert_eq!(error.to_string(), text);
    /// # anyhow::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) names the field, its text and its bound. Specs that the module
    /// accepts and takes for something else are errors as well: `FRI-SUN` and `1-7` (it never fires), `05` as a
    /// day of the week (it fires on Sundays) or as a month, `*,61`, an eighth field, text beside a descriptor.
    pub fn cronexpr(spec: &str) -> Result<Self> {
        let parsed = cronexpr::parse(spec).map_err(|fault| invalid_spec(spec, &fault))?;
        Ok(Self::parsed(spec, None, Rule::Cronexpr(parsed)))
    }

    fn parsed(text: &str, zone: Option<Tz>, rule: Rule) -> Self {
        let text = text.to_owned();
        Self(Arc::new(ParsedSpec { text, zone, rule }))
    }

    /// The text as given.
    pub fn spec(&self) -> &str {
        &self.0.text
    }

    /// The name of its dialect.
    pub(crate) fn dialect(&self) -> &'static str {
        match self.0.rule {
            Rule::Standard(_) | Rule::Every(_) => "standard",
            Rule::Cronexpr(_) => "cronexpr",
        }
    }

    /// The first time later than `after`, in whole seconds. A zone in the spec overrides `zone`.
    ///
    /// `None` if there is none: a standard spec is searched to the end of the fifth year after that of `after`, as by
    /// robfig. So after February 29, 2096 the next one, of 2104, is found from 2099 on (2100 is not a leap
    /// year). A cronexpr spec is searched until the end of 2099.
    ///
    /// Where the zone sets its clocks a standard spec behaves as in robfig. A local time that the zone skips is left
    /// out, and one that it repeats is found twice. A zone that skips midnight has more surprises:
    /// `docs/scheduling.md` lists them. `@every` is counted from `after`, cut to the second.
    ///
    /// A cronexpr spec behaves as the Go module: a local time that the zone skips is found as the time that Go's
    /// `time.Date` makes of it (02:30 becomes 01:30 in New York and 03:30 in Berlin), and one that it repeats is found once.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let zone = self.0.zone.unwrap_or(zone);
        let unix = after.timestamp();
        match &self.0.rule {
            Rule::Standard(spec) => spec.next_after(unix, zone).and_then(LocalTime::utc),
            Rule::Cronexpr(spec) => spec.next_after(unix, zone).and_then(LocalTime::utc),
            Rule::Every(interval) => {
                let interval = i64::try_from(interval.as_secs()).ok()?;
                DateTime::from_timestamp(unix.checked_add(interval)?, 0)
            }
        }
    }

    /// The times later than `after`, in their order: each is [`next_after`](Self::next_after) the one before.
    ///
    /// ```
    /// use rasynq::{Schedule, Tz};
    /// let schedule = Schedule::standard("CRON_TZ=Asia/Kolkata 0 */6 * * *")?;
    /// let now = "2026-01-31T12:00:00Z".parse()?;
    /// let next_two: Vec<_> = schedule.upcoming(now, Tz::UTC).take(2).map(|at| at.to_rfc3339()).collect();
    /// assert_eq!(next_two, ["2026-01-31T12:30:00+00:00", "2026-01-31T18:30:00+00:00"]);
    /// # anyhow::Ok(())
    /// ```
    pub fn upcoming(
        &self,
        after: DateTime<Utc>,
        zone: Tz,
    ) -> impl Iterator<Item = DateTime<Utc>> + use<> {
        let schedule = self.clone();
        std::iter::successors(schedule.next_after(after, zone), move |&at| {
            schedule.next_after(at, zone)
        })
    }

    /// What the spec says, in plain words. The times are those of the wall clock.
    ///
    /// ```
    /// use rasynq::Schedule;
    /// let words = |spec| Schedule::standard(spec).map(|schedule| schedule.describe());
    /// assert_eq!(words("CRON_TZ=Europe/Berlin 30 9 * * 1-5")?, "At 09:30 on Monday to Friday, in Europe/Berlin");
    /// assert_eq!(words("*/15 8-17 * JAN *")?, "Every 15 minutes from 08:00 to 17:45, in January");
    /// assert_eq!(words("@every 90s")?, "Every 1 minute and 30 seconds");
    /// assert_eq!(Schedule::cronexpr("0 18 LW * *")?.describe(), "At 18:00 on the last working day of the month");
    /// # anyhow::Ok(())
    /// ```
    pub fn describe(&self) -> String {
        let words = match &self.0.rule {
            Rule::Standard(spec) => spec.fields().words(),
            Rule::Cronexpr(spec) => spec.fields().words(),
            Rule::Every(interval) => words::every(interval.as_secs()),
        };
        match self.0.zone {
            Some(zone) => format!("{words}, in {zone}"),
            None => words,
        }
    }

    /// The interval of `@every`: whole seconds, at least 1 s.
    pub(crate) fn every(&self) -> Option<Duration> {
        match self.0.rule {
            Rule::Every(interval) => Some(interval),
            Rule::Standard(_) | Rule::Cronexpr(_) => None,
        }
    }
}

fn invalid_spec(spec: &str, fault: &str) -> Error {
    Error::invalid(format!("cron spec {spec:?}: {fault}"))
}

/// [`Schedule::standard`].
impl FromStr for Schedule {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Self> {
        Self::standard(spec)
    }
}

/// The text as given.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec())
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule::{}({:?})", self.dialect(), self.0.text)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (self.dialect(), self.spec()) == (other.dialect(), other.spec())
    }
}

impl Eq for Schedule {}

impl Hash for Schedule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.dialect(), self.spec()).hash(state);
    }
}

#[cfg(test)]
mod tests;
