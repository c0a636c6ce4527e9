use super::*;

/// Many draws that cover all quantiles evenly, none of them in the tail.
fn spread(rtt: Rtt) -> Vec<Micros> {
    let mut delays: Vec<_> = (0..100_000u64).map(|k| one_way((k * 42_949) << 32 | 1, rtt)).collect();
    delays.sort_unstable();
    delays
}

fn about(value: Micros, wanted: Micros) -> bool {
    value.abs_diff(wanted) * 1_000 <= wanted * 5
}

#[test]
fn the_median_and_the_90th_percentile_are_those_of_the_matrix() {
    for (p50, p90) in [(64_000, 68_000), (219_000, 231_000), (3_000, 4_000), (27_000, 30_000), (100_000, 100_000)] {
        let delays = spread(Rtt { p50, p90 });
        assert!(about(delays[50_000], p50 / 2), "{} for a median of {}", delays[50_000], p50 / 2);
        assert!(about(delays[90_000], p90 / 2), "{} for a 90th percentile of {}", delays[90_000], p90 / 2);
    }
}

#[test]
fn other_quantiles_are_those_of_a_shifted_log_normal() {
    // (e^z - 1) / (e^1.28155 - 1) for z at 10 %, 25 %, 75 %, 95 %, 99 %, times 100 ms of spread, above a median of 1 s.
    let wanted = [(10_000, 972_234), (25_000, 981_147), (75_000, 1_037_012), (95_000, 1_160_777), (99_000, 1_355_067)];
    let delays = spread(Rtt { p50: 2_000_000, p90: 2_200_000 });
    for (rank, delay) in wanted {
        assert!(about(delays[rank], delay), "{} at rank {rank}, not {delay}", delays[rank]);
    }
}

#[test]
fn delays_grow_with_the_draw_and_stay_above_half_the_median() {
    let delays: Vec<_> = (0..=u64::from(u32::MAX))
        .step_by(65_537)
        .map(|k| one_way(k << 32 | 1, Rtt { p50: 2_000, p90: 200_000 }))
        .collect();
    assert!(delays.is_sorted());
    assert_eq!(delays[0], 500);
    assert!(one_way(u64::MAX, Rtt { p50: u64::MAX, p90: u64::MAX }) > 0, "and nothing overflows");
}

#[test]
fn one_message_in_a_thousand_takes_three_to_ten_times_as_long() {
    let rtt = Rtt { p50: 100_000, p90: 100_000 };
    let delays: Vec<_> = (0..1_000_000u64).map(|k| one_way(k, rtt)).collect();
    let late: Vec<_> = delays.iter().filter(|delay| **delay > 50_000).collect();
    assert_eq!(late.len(), 1_000);
    assert!(late.iter().all(|delay| (150_000..=500_000).contains(*delay)));
    assert!(late.iter().any(|delay| **delay < 160_000) && late.iter().any(|delay| **delay > 490_000));
}
