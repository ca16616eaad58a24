//! What the running system tells Prometheus.

use system_tests::Shop;

/// The value of a series, which has not begun yet if it is not shown.
fn value(metrics: &str, series: &str) -> u32 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn several_systems_in_one_process_count_together_and_say_what_they_count() {
    let shops = [Shop::open().await, Shop::open().await];
    for shop in &shops {
        shop.client.put_product("TEA", 10).await;
        let order = shop.place("TEA", 1, "tok_approve").await;
        shop.client.ended(&order).await;
    }
    let answer = shops[0].client.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.media_type, "text/plain; version=0.0.4; charset=utf-8");
    let shown = answer.body;
    assert_eq!(value(&shown, "ordersaga_idempotent_requests_total{result=\"ran\"}"), 2, "{shown}");
    // An authorization and a capture of each order.
    let calls = "ordersaga_breaker_calls_total{breaker=\"payment\",outcome=\"success\"}";
    assert_eq!(value(&shown, calls), 4, "{shown}");
    let meaning = "# HELP ordersaga_breaker_calls_total Calls that a breaker let through, ended";
    assert!(shown.lines().any(|line| line == meaning), "{shown}");
    for shop in shops {
        shop.close().await;
    }
}
