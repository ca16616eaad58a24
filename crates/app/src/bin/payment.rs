//! The payment service on AWS Lambda, in the role that `ORDERSAGA_ROLE` names.

fn main() -> Result<(), lambda_runtime::Error> {
    app::lambda::run(&app::lambda::PAYMENT)
}
