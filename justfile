# The verbs of this repository; `.ci/run` calls the same ones.

# Formatting, lints, documentation, licences.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# All hermetic tests.
test:
    cargo test --workspace

# boto3 and the aws CLI, from PyPI, drive the running system.
test-boto3:
    tests/boto3/run

# Everything that needs a counterpart of AWS: installs dynoxide and moto, and runs what needs them.
test-aws:
    tests/aws/run

# Licences, bans and sources of dependencies; needs `cargo install cargo-deny`.
deny:
    cargo deny --offline check bans licenses sources

# Builds the functions and deploys a stage of infra/aws/samconfig.toml; docs/guides/deploy-aws.md.
deploy-aws stage="dev":
    infra/aws/deploy {{stage}}

# The life of one order, step by step.
life:
    cargo test -p system-tests --test life_of_an_order -- --nocapture

# The life of orders on the local cloud: the functions of the template, as real processes.
life-aws:
    cargo build -p app --bins --features lambda
    cargo test -p system-tests --test aws_stack orders_end -- --nocapture

# Kills the running system again and again under load; minutes, not seconds.
crash rounds="30":
    CRASH_ROUNDS={{rounds}} cargo test -p system-tests --test crash

# Takes the payment gateway away for a minute while a thousand orders are in flight, three times.
outage seconds="60" orders="1000":
    OUTAGE_SECONDS={{seconds}} OUTAGE_ORDERS={{orders}} cargo test -p system-tests --test outage

# Figures as JSON lines; --quick for a look.
bench *args:
    cargo run --release -- bench {{args}}

# What the functions weigh and how fast they start, beside a handler for Node; --quick for a look.
bench-lambda *args:
    cargo build -p app --bins --no-default-features --features lambda --profile lambda
    cargo bench -p system-tests --profile dev --bench lambda -- {{args}}

# What is generated: the saga diagrams, and the conformance report where the recordings are.
docs:
    cargo xtask diagrams
    CONFORMANCE_WRITE=1 cargo test -p conformance --test recorded the_report_says_what_is_measured
