//! The settings of rate limits: how much one caller, tenant or route may ask.

use super::Values;
use crate::http::layers::RequestLimits;

impl Values {
    /// The settings of rate limits.
    pub(super) fn limits(&mut self) -> Option<RequestLimits> {
        let principal = self.take("requests_per_second_principal", limit);
        let tenant = self.take("requests_per_second_tenant", limit);
        let route = self.take("requests_per_second_route", limit);
        let new_keys = self.take("new_keys_per_day_principal", limit);
        let (principal, tenant, route) = (principal?, tenant?, route?);
        Some(RequestLimits { principal, tenant, route, new_keys: new_keys? })
    }
}

fn limit(text: &str) -> Result<Option<u32>, String> {
    match text {
        "off" => Ok(None),
        text => match text.parse() {
            Ok(limit) if limit > 0 => Ok(Some(limit)),
            Ok(_) | Err(_) => Err("must be a number from 1 to 4294967295, or off".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    #[test]
    fn limits_are_numbers_or_off() {
        let limits = load(&[], &[]).unwrap().limits;
        let (principal, new_keys) = (Some(5_000), Some(5_000_000));
        let tenant = Some(10_000);
        assert_eq!(limits, RequestLimits { principal, tenant, route: Some(10_000), new_keys });
        let limits = load(&[("requests_per_second_tenant", "off")], &[]).unwrap().limits;
        assert_eq!(limits.tenant, None);
        for text in ["0", "-1", "many", "", "4294967296"] {
            assert!(load(&[("requests_per_second_tenant", text)], &[]).is_err(), "{text}");
        }
    }
}
