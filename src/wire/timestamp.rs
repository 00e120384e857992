//! Times in stored messages: protobuf's `Timestamp`, and Go's zero time.

use chrono::{DateTime, Utc};

use super::messages::Timestamp;

/// Go's zero time, 0001-01-01T00:00:00Z, in Unix seconds. asynq stores it for "never".
const GO_ZERO_TIME_UNIX_SECS: i64 = -62_135_596_800;

const NANOS_PER_SECOND: i32 = 1_000_000_000;

impl Timestamp {
    /// "Never": Go's zero time. asynq always writes it and does not omit the field.
    pub(crate) const NEVER: Timestamp = Timestamp {
        seconds: GO_ZERO_TIME_UNIX_SECS,
        nanos: 0,
    };

    /// The timestamp of a time, or [`Timestamp::NEVER`] for `None`.
    pub(crate) fn from_moment(moment: Option<DateTime<Utc>>) -> Self {
        moment.map_or(Timestamp::NEVER, Timestamp::from)
    }

    /// The time of the timestamp. `None` for [`Timestamp::NEVER`], and for times beyond the range of
    /// `DateTime`, about 262,000 years. As in Go, nanoseconds beyond a second are carried over.
    pub(crate) fn to_moment(self) -> Option<DateTime<Utc>> {
        let carried = self.nanos.div_euclid(NANOS_PER_SECOND);
        let seconds = self.seconds.checked_add(carried.into())?;
        let nanos = self.nanos.rem_euclid(NANOS_PER_SECOND);
        if (seconds, nanos) == (GO_ZERO_TIME_UNIX_SECS, 0) {
            return None;
        }
        DateTime::from_timestamp(seconds, nanos.try_into().ok()?)
    }

    /// The time in a field of a message. As in Go, an absent field is 1970-01-01T00:00:00Z.
    pub(crate) fn field_to_moment(field: Option<Timestamp>) -> Option<DateTime<Utc>> {
        field.unwrap_or_default().to_moment()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    /// In a leap second, chrono counts nanoseconds beyond 999,999,999. They are cut to 999,999,999.
    fn from(moment: DateTime<Utc>) -> Self {
        let nanos = moment.timestamp_subsec_nanos().min(999_999_999);
        Timestamp {
            seconds: moment.timestamp(),
            // At most 999,999,999, so it fits.
            nanos: nanos as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn never_is_the_first_moment_of_the_year_one() {
        assert_eq!(
            Timestamp::from(at("0001-01-01T00:00:00Z")),
            Timestamp::NEVER
        );
        assert_eq!(Timestamp::from_moment(None), Timestamp::NEVER);
        assert_eq!(Timestamp::NEVER.to_moment(), None);
    }

    #[test]
    fn an_absent_field_is_1970_as_in_go() {
        assert_eq!(Timestamp::field_to_moment(None), Some(DateTime::UNIX_EPOCH));
        assert_eq!(Timestamp::field_to_moment(Some(Timestamp::NEVER)), None);
    }

    #[test]
    fn nanoseconds_beyond_a_second_are_carried() {
        for (seconds, nanos, moment) in [
            (1, 1_500_000_000, "1970-01-01T00:00:02.5Z"),
            (1, -500_000_000, "1970-01-01T00:00:00.5Z"),
            (-1, 250_000_000, "1969-12-31T23:59:59.25Z"),
        ] {
            assert_eq!(Timestamp { seconds, nanos }.to_moment(), Some(at(moment)));
        }
        for seconds in [i64::MIN, i64::MAX] {
            assert_eq!(
                Timestamp {
                    seconds,
                    nanos: i32::MAX
                }
                .to_moment(),
                None
            );
            assert_eq!(
                Timestamp {
                    seconds,
                    nanos: i32::MIN
                }
                .to_moment(),
                None
            );
        }
    }

    #[test]
    fn a_leap_second_stays_in_its_second() {
        let timestamp = Timestamp::from(at("2016-12-31T23:59:60.5Z"));
        assert_eq!(
            timestamp,
            Timestamp {
                seconds: 1_483_228_799,
                nanos: 999_999_999
            }
        );
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(
            seconds in GO_ZERO_TIME_UNIX_SECS + 1..253_402_300_800,
            nanos in 0..1_000_000_000_u32,
        ) {
            let moment = DateTime::from_timestamp(seconds, nanos).expect("a moment");
            prop_assert_eq!(Timestamp::from(moment).to_moment(), Some(moment));
        }
    }
}
