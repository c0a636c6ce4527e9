//! Quantities with units, read and written exactly: `1.5s` is 1,500,000 microseconds, never nearly so.

use super::{Micros, Ppm};

/// Units of time in microseconds, the largest first.
const TIME: [(&str, u64); 5] = [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Units of shares in parts per million.
const SHARE: [(&str, u64); 2] = [("%", 10_000), ("ppm", 1)];

/// Units of throughput in bytes per second, the largest first.
const THROUGHPUT: [(&str, u64); 3] = [("MB/s", 1_000_000), ("kB/s", 1_000), ("B/s", 1)];

/// Units of how often something happens, in microseconds of the period.
const RATE: [(&str, u64); 3] = [("/s", 1_000_000), ("/min", 60_000_000), ("/h", 3_600_000_000)];

/// `30s`, `250ms`, `1.5h`.
pub(crate) fn duration(text: &str) -> Option<Micros> {
    with_unit(text, &TIME)
}

/// `+30s`, `-250ms`: in milliseconds, whole ones.
pub(crate) fn signed_milliseconds(text: &str) -> Option<i64> {
    signed(text, |text| duration(text).filter(|micros| micros % 1_000 == 0).map(|micros| micros / 1_000))
}

/// `+200ppm`, `-0.1%`.
pub(crate) fn signed_share(text: &str) -> Option<i64> {
    signed(text, |text| with_unit(text, &SHARE))
}

/// `0.1%`, `250ppm`; at most `100%`.
pub(crate) fn share(text: &str) -> Option<Ppm> {
    with_unit(text, &SHARE).filter(|ppm| *ppm <= 1_000_000).and_then(|ppm| Ppm::try_from(ppm).ok())
}

/// `2 MB/s`, `20 kB/s`.
pub(crate) fn throughput(text: &str) -> Option<u64> {
    with_unit(text, &THROUGHPUT)
}

/// `2/s`, `30/min`: the time between two.
pub(crate) fn period(text: &str) -> Option<Micros> {
    let (number, unit) = split(text);
    let (_, micros) = RATE.iter().find(|(name, _)| *name == unit)?;
    let hundredths = decimal(number, 100)?;
    micros.checked_mul(100)?.checked_div(hundredths)
}

/// `4x`, `2.5x`: in hundredths.
pub(crate) fn factor(text: &str) -> Option<u32> {
    with_unit(text, &[("x", 100)]).and_then(|hundredths| u32::try_from(hundredths).ok())
}

/// The shortest whole number of a unit.
pub(crate) fn write_duration(micros: Micros) -> String {
    whole(micros, &TIME, "0s")
}

/// The shortest whole number of a unit.
pub(crate) fn write_throughput(bytes: u64) -> String {
    whole(bytes, &THROUGHPUT, "0 B/s")
}

/// In percent, with as many decimals as it takes.
pub(crate) fn write_share(ppm: Ppm) -> String {
    format!("{}%", write_decimal(u64::from(ppm), 10_000, 4))
}

/// As a multiple.
pub(crate) fn write_factor(hundredths: u32) -> String {
    format!("{}x", write_decimal(u64::from(hundredths), 100, 2))
}

/// With its sign.
pub(crate) fn write_signed_milliseconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { '-' } else { '+' };
    format!("{sign}{}", write_duration(milliseconds.unsigned_abs().saturating_mul(1_000)))
}

fn signed(text: &str, read: impl Fn(&str) -> Option<u64>) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    i64::try_from(read(rest)?).ok().map(|number| sign * number)
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = split(text);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    decimal(number, *scale)
}

/// A decimal number times `scale`, if that is a whole number.
fn decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let ten_to = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = |digits: &str| digits.parse::<u64>().ok()?.checked_mul(scale);
    let parts = scaled(fraction)?;
    (parts % ten_to == 0).then_some(())?;
    scaled(whole)?.checked_add(parts / ten_to)
}

fn whole(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    let unit = units.iter().find(|(_, scale)| number > 0 && number.is_multiple_of(*scale));
    unit.map_or_else(
        || zero.to_owned(),
        |(name, scale)| {
            let space = if name.contains('/') { " " } else { "" };
            format!("{}{space}{name}", number / scale)
        },
    )
}

fn write_decimal(number: u64, scale: u64, decimals: usize) -> String {
    let fraction = format!("{:0decimals$}", number % scale);
    let text = format!("{}.{}", number / scale, fraction.trim_end_matches('0'));
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_exact() {
        assert_eq!(duration("1.5s"), Some(1_500_000));
        assert_eq!(duration("250 ms"), Some(250_000));
        assert_eq!(duration("2min"), Some(120_000_000));
        for wrong in ["30", "", "s", "1.s5", "0.0000001s", "5 S", "-1s", "99999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!((share("0.1%"), share("250ppm"), share("101%")), (Some(1_000), Some(250), None));
        assert_eq!((throughput("2 MB/s"), throughput("2MB")), (Some(2_000_000), None));
        assert_eq!((period("2/s"), period("0.5/min"), period("0/s")), (Some(500_000), Some(120_000_000), None));
        assert_eq!((factor("2.5x"), factor("6"), signed_milliseconds("-5min")), (Some(250), None, Some(-300_000)));
        assert_eq!((signed_share("+200ppm"), signed_share("-0.1%")), (Some(200), Some(-1_000)));
    }

    #[test]
    fn what_is_written_is_read() {
        for micros in [0, 1, 999, 1_000, 1_500_000, 60_000_000, 3_600_000_000, 3_601_000_000] {
            assert_eq!(duration(&write_duration(micros)), Some(micros));
        }
        for ppm in [0, 1, 1_000, 12_345, 1_000_000] {
            assert_eq!(share(&write_share(ppm)), Some(ppm));
        }
        for number in [0, 1, 100, 250, 12_345] {
            assert_eq!(factor(&write_factor(number)), Some(number));
            assert_eq!(throughput(&write_throughput(u64::from(number))), Some(u64::from(number)));
            assert_eq!(signed_milliseconds(&write_signed_milliseconds(-i64::from(number))), Some(-i64::from(number)));
        }
    }
}
