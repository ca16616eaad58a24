//! What a process has used, as Linux counts it.

use anyhow::{Context, Result};

/// How many clock ticks `/proc/<pid>/stat` counts per second on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    /// Bytes that went to the disk, not to the page cache alone.
    pub(crate) disk_bytes: f64,
    /// The most memory it ever had resident.
    pub(crate) peak_rss_mib: f64,
}

impl Usage {
    /// Reads what the process `pid` has used.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
        };
        // The fields after the parenthesised command; utime and stime are the 14th and 15th.
        let stat = read("stat")?;
        let after = stat.rsplit_once(')').context("no command in stat")?.1;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(Self {
            cpu_s: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
            disk_bytes: keyed(&read("io")?, "write_bytes:"),
            peak_rss_mib: keyed(&read("status")?, "VmHWM:") / 1024.0,
        })
    }
}

fn keyed(text: &str, key: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
