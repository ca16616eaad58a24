//! Which route a request takes.
//!
//! Spec: "Routing API requests" of HTTP APIs: the most specific route is chosen: a full match, then
//! one with parameters, then a greedy one; a route's own method before `ANY`.

use crate::cloud::template::Route;
use std::collections::BTreeMap;

/// The route of a request, and what stands in place of its parameters.
#[must_use]
pub(super) fn find<'a>(
    routes: &'a [Route],
    method: &str,
    path: &str,
) -> Option<(&'a Route, BTreeMap<String, String>)> {
    let matching = routes.iter().filter(|route| route.method == method || route.method == "ANY");
    let found = matching.filter_map(|route| {
        let parameters = parameters(&route.path, path)?;
        let is_greedy = route.path.contains("+}");
        Some(((is_greedy, parameters.len(), route.method == "ANY"), route, parameters))
    });
    found.min_by_key(|(rank, ..)| *rank).map(|(_, route, parameters)| (route, parameters))
}

fn parameters(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(wanted), Some(given)) => {
                let name = wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
                match name {
                    Some(name) if name.ends_with('+') => return Some(parameters),
                    Some(name) if !given.is_empty() => {
                        parameters.insert(name.to_owned(), given.to_owned());
                    }
                    None if wanted == given => {}
                    Some(_) | None => return None,
                }
            }
            (None, Some(_)) | (Some(_), None) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_route_is_taken() {
        let route = |method: &str, path: &str| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            function: format!("{method} {path}"),
            scopes: None,
        };
        let routes = [
            route("ANY", "/v1/{proxy+}"),
            route("GET", "/v1/orders/{id}"),
            route("GET", "/v1/orders/latest"),
            route("ANY", "/v1/orders/{id}"),
            route("POST", "/v1/orders/{id}/cancel"),
        ];
        let taken = |method: &str, path: &str| {
            find(&routes, method, path).map(|(route, _)| route.function.clone())
        };
        let check = |method: &str, path: &str, expected: Option<&str>| {
            assert_eq!(taken(method, path).as_deref(), expected, "{method} {path}");
        };
        check("GET", "/v1/orders/7", Some("GET /v1/orders/{id}"));
        check("GET", "/v1/orders/latest", Some("GET /v1/orders/latest"));
        check("PUT", "/v1/orders/7", Some("ANY /v1/orders/{id}"));
        check("POST", "/v1/orders/7/cancel", Some("POST /v1/orders/{id}/cancel"));
        check("GET", "/v1/orders/7/cancel", Some("ANY /v1/{proxy+}"));
        check("GET", "/v1/orders/", Some("ANY /v1/{proxy+}"));
        check("GET", "/v2", None);
        let found = find(&routes, "GET", "/v1/orders/7").unwrap().1;
        assert_eq!(found, [("id".to_owned(), "7".to_owned())].into());
    }
}
