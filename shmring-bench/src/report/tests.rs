use super::*;
use crate::compare::Warning;

fn summary(contender: &str, mb_per_s: f64) -> Summary {
    let spread = |median: f64| Spread {
        median,
        min: median * 0.9,
        max: median * 1.1,
        q1: median * 0.95,
        q3: median * 1.05,
    };
    Summary {
        contender: contender.to_owned(),
        about: String::new(),
        capacity_bytes: 1 << 20,
        mb_per_s: spread(mb_per_s),
        messages_per_s: spread(mb_per_s * 127.0),
        cpu_ns_per_message: spread(1_420_000.0 / mb_per_s),
        producer_cpu_ns_per_message: spread(700_000.0 / mb_per_s),
        consumer_cpu_ns_per_message: spread(720_000.0 / mb_per_s),
        runs: Vec::new(),
    }
}

fn comparison() -> Comparison {
    Comparison {
        bytes: 1_073_741_824,
        messages: 136_192,
        rounds: 5,
        dropped_runs: 1,
        contenders: vec![summary("record ring", 5_000.0), summary("pipe", 1_250.0)],
        warnings: vec![Warning::OneCpu],
    }
}

#[test]
fn the_table_is_aligned_and_says_what_was_done() {
    let expected = "\
contender     MB/s      min..max  messages/s  CPU ns/msg  send + recv  speed
record ring  5,000  4,500..5,500     635,000         284    140 + 144   4.0x
pipe         1,250  1,125..1,375     158,750       1,136    560 + 576   1.0x

1,074 MB in 136,192 messages of 16 B to at most 64 KiB (mean 7,884 B), every one verified;
  median of 5 alternating rounds.
1 run dropped and repeated, as the CPUs moved meanwhile.
Warning: both workers share one CPU and are not pinned: they take turns, and these figures
  say nothing about two CPUs.
";
    assert_eq!(text(&comparison()), expected);
}

#[test]
fn it_fits_a_terminal_also_with_large_figures() {
    let mut comparison = comparison();
    comparison.contenders.push(summary("a contender's name", 48_000.0));
    let widest = text(&comparison).lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}");
}
