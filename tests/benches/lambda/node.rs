//! The handler for Node that functions are compared with.
//!
//! Owns: where it is, and what is said when it cannot run. Does not own: the handler
//! (`node/bootstrap.mjs`).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use system_tests::cloud::host::Function;

/// What it is called in the report.
pub(crate) const NAME: &str = "node-aws-sdk-v3";
const FILES: [&str; 2] = ["package.json", "bootstrap.mjs"];

/// The handler, with its packages; `None` after having said loudly what is missing.
pub(crate) fn function() -> Option<Function> {
    match installed() {
        Ok((node, place)) => Some(Function {
            name: NAME.to_owned(),
            program: node,
            arguments: vec![place.join("bootstrap.mjs").display().to_string()],
            variables: BTreeMap::new(),
            timeout: Duration::from_secs(9),
            memory_mb: 256,
            concurrency: 1,
        }),
        Err(missing) => {
            let line = format!("SKIPPED: the comparison with Node: {missing}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("somebody listens");
            None
        }
    }
}

fn installed() -> Result<(PathBuf, PathBuf), String> {
    let node = on_path("node").ok_or("there is no node; install Node 20")?;
    let npm = on_path("npm").ok_or("there is no npm; it comes with Node 20")?;
    let home = std::env::var_os("HOME").ok_or("there is no HOME to install packages in")?;
    let place = Path::new(&home).join(".cache/ordersaga/node-lambda");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/lambda/node");
    std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    for file in FILES {
        std::fs::copy(own.join(file), place.join(file))
            .map_err(|error| format!("{}: {error}", place.join(file).display()))?;
    }
    let installing = Command::new(npm)
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefer-offline"])
        .current_dir(&place)
        .stdout(Stdio::null())
        .status();
    match installing {
        Ok(status) if status.success() => Ok((node, place)),
        Ok(status) => Err(format!("npm install failed: {status}")),
        Err(error) => Err(format!("npm cannot be run: {error}")),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(program)).find(|file| file.is_file())
}
