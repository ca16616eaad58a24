//! The engine and the order path with the layers and without, in turn.

use crate::bench::loops::Loop;
use crate::bench::resilience::median;
use crate::bench::round;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How many pairs of neighbours are measured; an odd number has one in the middle.
const PAIRS: usize = 13;
const QUICK_PAIRS: usize = 1;
/// How long each of a pair is measured: short, so that both meet the same machine.
const SECONDS: Duration = Duration::from_secs(3);
const QUICK_SECONDS: Duration = Duration::from_secs(1);
/// How many clients work at once: as many as keep the machine busy.
const CLIENTS: usize = 64;

/// Measures both, and says a line of JSON for each.
pub(super) async fn run(dir: &Path, quick: bool) -> Result<()> {
    let pairs = if quick { QUICK_PAIRS } else { PAIRS };
    for subject in [Loop::Engine, Loop::Orders] {
        crate::say(&measure(subject, dir, pairs, quick).await?);
    }
    Ok(())
}

async fn measure(subject: Loop, dir: &Path, pairs: usize, quick: bool) -> Result<String> {
    let duration = if quick { QUICK_SECONDS } else { SECONDS };
    let (mut with, mut without, mut ratios, mut cpu) = (vec![], vec![], vec![], vec![]);
    for pair in 0..pairs {
        // A B B A A B B A …: neither is always the one that comes after the other.
        let order = if pair % 2 == 0 { [true, false] } else { [false, true] };
        let mut figures = [(0.0, 0.0); 2];
        for layered in order {
            let dir = tempfile::tempdir_in(dir)?;
            figures[usize::from(layered)] =
                subject.figures(dir.path(), layered, CLIENTS, duration).await?;
        }
        let [(bare, bare_cpu), (layered, layered_cpu)] = figures;
        with.push(layered);
        without.push(bare);
        ratios.push(layered / bare);
        cpu.push(layered_cpu / bare_cpu);
    }
    Ok(json!({
        "bench": format!("{} with and without layers", subject.name()),
        "pairs": pairs,
        "clients": CLIENTS,
        "seconds_each": duration.as_secs(),
        "per_second_with": round(median(with)),
        "per_second_without": round(median(without)),
        "ratio": round(median(ratios.clone())),
        "ratios": ratios.into_iter().map(round).collect::<Vec<_>>(),
        "cpu_ratio": round(median(cpu)),
    })
    .to_string())
}
