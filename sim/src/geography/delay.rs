//! How long a message takes one way: a shifted log-normal, by an integer table.

use super::Rtt;
use crate::scenario::Micros;

/// Quantiles k/256 of (e^z - 1) / (e^z90 - 1), in 1/65536, z standard normal and z90 its 90th percentile: 0 at the median,
/// 1 at the 90th percentile. The last entry is the quantile 2047/2048, as the distribution has no end.
const QUANTILES: [i64; 257] = [
    -25185, -23423, -22940, -22573, -22262, -21986, -21733, -21497, -21275, -21063, -20859, -20662, -20472, -20286,
    -20105, -19928, -19754, -19583, -19414, -19248, -19084, -18921, -18761, -18601, -18444, -18287, -18131, -17976,
    -17822, -17669, -17517, -17365, -17213, -17062, -16911, -16761, -16611, -16461, -16311, -16161, -16012, -15862,
    -15713, -15563, -15413, -15263, -15113, -14963, -14813, -14662, -14511, -14360, -14208, -14057, -13904, -13752,
    -13598, -13445, -13291, -13136, -12981, -12826, -12669, -12513, -12355, -12197, -12038, -11879, -11719, -11558,
    -11397, -11235, -11072, -10908, -10743, -10578, -10411, -10244, -10076, -9907, -9737, -9566, -9394, -9221, -9047,
    -8872, -8696, -8519, -8341, -8161, -7981, -7799, -7616, -7432, -7247, -7060, -6872, -6683, -6492, -6300, -6106,
    -5912, -5715, -5517, -5318, -5117, -4915, -4711, -4505, -4298, -4089, -3878, -3666, -3452, -3236, -3018, -2798,
    -2576, -2353, -2127, -1899, -1670, -1438, -1204, -968, -729, -488, -245, 0, 248, 498, 751, 1006, 1264, 1525, 1788,
    2054, 2323, 2595, 2870, 3148, 3429, 3713, 4000, 4290, 4584, 4882, 5182, 5487, 5795, 6107, 6422, 6742, 7065, 7393,
    7725, 8061, 8402, 8747, 9096, 9451, 9810, 10174, 10543, 10918, 11298, 11683, 12074, 12471, 12874, 13283, 13698,
    14120, 14548, 14983, 15425, 15874, 16331, 16796, 17268, 17748, 18237, 18735, 19241, 19757, 20282, 20817, 21362,
    21918, 22485, 23063, 23652, 24254, 24868, 25495, 26135, 26790, 27459, 28143, 28843, 29559, 30292, 31043, 31812,
    32601, 33410, 34241, 35093, 35968, 36868, 37794, 38746, 39726, 40736, 41778, 42852, 43962, 45108, 46294, 47521,
    48792, 50110, 51479, 52901, 54381, 55922, 57530, 59209, 60966, 62806, 64736, 66766, 68905, 71162, 73550, 76083,
    78778, 81653, 84730, 88036, 91603, 95469, 99681, 104300, 109397, 115070, 121444, 128688, 137037, 146831, 158581,
    173111, 191861, 217669, 257347, 334886, 655723,
];

/// One message in this many is in the tail: three to ten times as long as drawn.
const TAIL: u64 = 1_000;

/// The time one message takes on a way with this round trip: median `p50 / 2`, 90th percentile `p90 / 2`, never below half
/// the median. A pure function of the draw, whose upper half picks the quantile and whose lower half the tail.
#[must_use]
pub fn one_way(draw: u64, rtt: Rtt) -> Micros {
    let (upper, lower) = (draw >> 32, draw & 0xffff_ffff);
    let median = rtt.p50 / 2;
    let spread = i64::try_from(rtt.p90.saturating_sub(rtt.p50) / 2).unwrap_or(i64::MAX >> 24);
    let drawn = median.saturating_add_signed(spread.saturating_mul(quantile(upper)) >> 16).max(median / 2);
    match lower % TAIL {
        0 => drawn.saturating_mul(300 + lower / TAIL % 701) / 100,
        _ => drawn,
    }
}

/// Between the two nearest entries of the table, for 32 bits.
fn quantile(position: u64) -> i64 {
    let cell = usize::try_from(position >> 24).unwrap_or_default();
    let part = i64::try_from(position & 0x00ff_ffff).unwrap_or_default();
    match QUANTILES.get(cell..cell + 2) {
        Some(&[low, high]) => low + (((high - low) * part) >> 24),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
