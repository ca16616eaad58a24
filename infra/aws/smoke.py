"""Places one order through a deployed API and waits until it is confirmed.

    python infra/aws/smoke.py --stack ordersaga-dev        # addresses and clients by the AWS CLI
    python infra/aws/smoke.py --api http://127.0.0.1:8080  # `saga up`, which wants no token

It puts a product of its own on sale, gives it stock, and pays with a card of the sandbox gateway;
where a real gateway stands, name a test card of it with `--card`. Ends with 1 and says what it saw
if the order is not confirmed within a minute, or if a request without a token is let in.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60
# How long one request may wait for news: the API answers within 29 s.
WAIT_S = 20

Json = dict[str, Any]


class Failed(Exception):
    """The system did not do what it should."""


def aws(*arguments: str) -> Any:
    command = ["aws", *arguments, "--output", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def outputs(stack: str) -> dict[str, str]:
    described = aws("cloudformation", "describe-stacks", "--stack-name", stack)
    return {each["OutputKey"]: each["OutputValue"] for each in described["Stacks"][0]["Outputs"]}


def token(stack: dict[str, str], client_id: str) -> str:
    """A token by client credentials."""
    pool = ["--user-pool-id", stack["UserPoolId"], "--client-id", client_id]
    client = aws("cognito-idp", "describe-user-pool-client", *pool)["UserPoolClient"]
    pair = f"{client_id}:{client['ClientSecret']}".encode()
    request = urllib.request.Request(
        stack["TokenUrl"],
        data=urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
        headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["access_token"]


@dataclass
class Api:
    """An API and whom one calls it as."""

    url: str
    token: str | None = None

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        status, answer = self.call(method, path, body, **headers)
        if not 200 <= status < 300:
            raise Failed(f"{method} {path}: {status} {answer}")
        return answer

    def call(self, method: str, path: str, body: Json | None, **headers: str) -> tuple[int, Json]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S + 10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            return refused.code, {"answer": text}


def place(shop: Api, operator: Api, card: str) -> Json:
    """Puts something on sale and orders it; the order as it ended."""
    run = uuid.uuid4().hex
    sku = f"SMOKE-{run[:8].upper()}"
    price = {"amount_minor": 100, "currency": "EUR"}
    operator.ask("PUT", f"/v1/products/{sku}", {"name": "A smoke test", "unit_price": price})
    operator.ask("PUT", f"/v1/stock/{sku}", {"on_hand": 1})
    # SES takes it, from within its sandbox as well, and counts it neither as sent in vain nor as spam.
    mail = f"success+{run}@simulator.amazonses.com"
    user = shop.ask("POST", "/v1/users", {"email": mail, "name": "Smoke test"})
    wanted = {
        "user_id": user["id"],
        "lines": [{"sku": sku, "quantity": 1}],
        "payment_method": {"card_token": card},
    }
    key = f"smoke-{run}"
    order = shop.ask("POST", "/v1/orders", wanted, Idempotency_Key=key)
    again = shop.ask("POST", "/v1/orders", wanted, Idempotency_Key=key)
    if again["id"] != order["id"]:
        raise Failed(f"the same key placed two orders: {order['id']} and {again['id']}")
    give_up = time.monotonic() + PATIENCE_S
    while order["status"] == "pending" and time.monotonic() < give_up:
        order = shop.ask("GET", f"/v1/orders/{order['id']}", Prefer=f"wait={WAIT_S}")
    return order


def main() -> int:
    arguments = argparse.ArgumentParser(description="Places one order and waits for it.")
    where = arguments.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", help="the CloudFormation stack whose API is called")
    where.add_argument("--api", help="the address of an API that wants no token")
    arguments.add_argument("--card", default="tok_approve", help="the card to pay with")
    given = arguments.parse_args()
    try:
        if given.stack:
            stack = outputs(given.stack)
            url = stack["ApiUrl"]
            shop = Api(url, token(stack, stack["ShopClientId"]))
            operator = Api(url, token(stack, stack["OperatorClientId"]))
            status, _ = Api(url).call("GET", "/v1/orders", None)
            if status != 401:
                raise Failed(f"a request without a token was answered with {status}")
        else:
            shop = operator = Api(given.api.rstrip("/"))
        begun = time.monotonic()
        order = place(shop, operator, given.card)
        took = time.monotonic() - begun
        if order["status"] != "confirmed":
            raise Failed(f"the order is not confirmed: {json.dumps(order)}")
    except (Failed, OSError, KeyError, subprocess.CalledProcessError) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    print(f"order {order['id']} is confirmed, after {took:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
