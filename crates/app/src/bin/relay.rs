//! The outbox relay on AWS Lambda.

fn main() -> Result<(), lambda_runtime::Error> {
    app::lambda::run(&app::lambda::RELAY)
}
