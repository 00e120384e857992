//! Numbers with a fraction, as Go writes them into JSON: the shortest digits that read back as the same
//! number, with an exponent below 1e-6 and from 1e21 on.

use std::fmt::{Display, LowerExp};
use std::str::FromStr;

use super::fault::JsonFault;

pub(super) fn write_f64(out: &mut Vec<u8>, number: f64) -> Result<(), JsonFault> {
    let size = number.abs();
    let has_exponent = size != 0.0 && !(1e-6..1e21).contains(&size);
    write(out, number, number.is_finite(), has_exponent)
}

pub(super) fn write_f32(out: &mut Vec<u8>, number: f32) -> Result<(), JsonFault> {
    let size = number.abs();
    let has_exponent = size != 0.0 && !(1e-6..1e21).contains(&size);
    write(out, number, number.is_finite(), has_exponent)
}

fn write<F>(
    out: &mut Vec<u8>,
    number: F,
    is_finite: bool,
    has_exponent: bool,
) -> Result<(), JsonFault>
where
    F: Copy + Display + LowerExp + FromStr + PartialEq,
{
    if !is_finite {
        return Err(JsonFault::new("JSON has no NaN and no infinity"));
    }
    if !has_exponent {
        let shortest = number.to_string();
        let text = match shortest.split_once('.') {
            Some((_, decimals)) => even(number, format!("{number:.*}", decimals.len()), shortest),
            None => shortest,
        };
        out.extend(text.as_bytes());
        return Ok(());
    }
    let shortest = format!("{number:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
    let text = even(number, format!("{number:.decimals$e}"), shortest);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.extend(digits.as_bytes());
    out.extend(if exponent.starts_with('-') { "e" } else { "e+" }.as_bytes());
    out.extend(exponent.as_bytes());
    Ok(())
}

/// The text for Go. If two shortest texts are equally near to the number, Go takes the one with the even
/// last digit, as `rounded` does, and Rust the larger one.
fn even<F: FromStr + PartialEq>(number: F, rounded: String, shortest: String) -> String {
    if rounded != shortest && rounded.parse::<F>().is_ok_and(|read| read == number) {
        rounded
    } else {
        shortest
    }
}
