"""Stripe's protocol beneath its resources: keys, errors, idempotency, lists, expansion, faults."""

import base64
from typing import Any

import httpx
import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import KEY, client_of


def call(server: EmulatorServer, path: str, form: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded", **named}
    url = server.base_url + path
    return httpx.get(url, headers=sent) if form is None else httpx.post(url, content=form, headers=sent)


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("", "did not provide an API key"),
        ("Bearer nonsense", "Invalid API Key provided"),
        ("Bearer sk_live_51ArtemisStandInForTests", "live key"),
        ("Bearer pk_test_51ArtemisStandInForTests", "Invalid API Key provided: pk_test_"),
    ],
)
def test_a_wrong_key(server: EmulatorServer, authorization: str, words: str) -> None:
    answer = httpx.get(f"{server.base_url}/v1/customers", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert words in answer.json()["error"]["message"]
    assert "51ArtemisStandInFor" not in answer.text


def test_a_key_as_basic_authentication(server: EmulatorServer) -> None:
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    answer = httpx.get(f"{server.base_url}/v1/account", headers={"Authorization": f"Basic {basic}"})
    assert answer.json()["object"] == "account"


def test_only_the_accepted_keys() -> None:
    with EmulatorServer("--api-key", "sk_test_theOnlyOneThatIsTaken") as server:
        client_of(server, "sk_test_theOnlyOneThatIsTaken").v1.customers.list()
        with pytest.raises(stripe.AuthenticationError):
            client_of(server).v1.customers.list()


def test_the_answers_headers_and_versions(server: EmulatorServer) -> None:
    answer = call(server, "/v1/customers", Stripe_Version="2026-05-27.dahlia")
    assert answer.headers["stripe-version"] == "2026-05-27.dahlia"
    assert answer.headers["request-id"].startswith("req_")
    assert call(server, "/v1/customers", Stripe_Version="2020-08-27").status_code == 400
    assert call(server, "/v1/customers", Stripe_Version="yesterday").status_code == 400


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/customers", "colour=red", "parameter_unknown", "colour"),
        ("/v1/customers", "address[planet]=Mars", "parameter_unknown", "address[planet]"),
        ("/v1/customers", "email=nobody", "email_invalid", "email"),
        ("/v1/customers", "balance=1.5", "parameter_invalid_integer", "balance"),
        ("/v1/products", "", "parameter_missing", "name"),
        ("/v1/products", "name=", "parameter_invalid_empty", "name"),
        ("/v1/prices", "currency=usd&unit_amount=1&product=prod_gone", "resource_missing", "product"),
        ("/v1/prices", "currency=xxx&unit_amount=1&product=prod_gone", None, "currency"),
        ("/v1/customers", "metadata[" + "x" * 41 + "]=1", None, "metadata[" + "x" * 41 + "]"),
        ("/v1/payment_intents", "amount=49&currency=usd", "amount_too_small", "amount"),
        ("/v1/subscriptions", "customer=cus_gone&items[0][price]=p", "resource_missing", "customer"),
    ],
)
def test_bad_input_is_a_clear_400(server: EmulatorServer, path: str, form: str, code: str | None, param: str) -> None:
    answer = call(server, path, form)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)
    assert error["message"]
    assert error["request_log_url"].endswith(answer.headers["request-id"])


def test_what_is_not_there(client: stripe.StripeClient, server: EmulatorServer) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_gone'") as refusal:
        client.v1.customers.retrieve("cus_gone")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")
    assert call(server, "/v1/unheard_of").status_code == 404
    customer = client.v1.customers.create()
    client.v1.customers.delete(customer.id)
    assert client.v1.customers.retrieve(customer.id).deleted


def test_an_idempotency_key_does_it_once(client: stripe.StripeClient, server: EmulatorServer) -> None:
    first = call(server, "/v1/customers", "name=Alice", Idempotency_Key="one")
    again = call(server, "/v1/customers", "name=Alice", Idempotency_Key="one")
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = call(server, "/v1/customers", "name=Bob", Idempotency_Key="one")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    elsewhere = call(server, "/v1/products", "name=Alice", Idempotency_Key="one")
    assert elsewhere.json()["error"]["type"] == "idempotency_error"
    assert len(client.v1.customers.list().data) == 1
    assert len(client_of(server, "sk_test_51AnotherKeyOfTheSame").v1.customers.list().data) == 1


def test_a_refused_parameter_leaves_the_idempotency_key_free(server: EmulatorServer) -> None:
    assert call(server, "/v1/customers", "colour=red", Idempotency_Key="two").status_code == 400
    assert call(server, "/v1/customers", "name=Alice", Idempotency_Key="two").status_code == 200


def test_a_declined_card_is_kept_for_the_idempotency_key(server: EmulatorServer) -> None:
    form = "amount=500&currency=usd&payment_method=pm_card_chargeDeclined&confirm=true"
    refused = [call(server, "/v1/payment_intents", form, Idempotency_Key="three") for _ in range(2)]
    assert [answer.status_code for answer in refused] == [402, 402]
    assert refused[0].json()["error"]["payment_intent"]["id"] == refused[1].json()["error"]["payment_intent"]["id"]


def test_lists_are_cut_into_pages(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({"name": f"{number}"}).id for number in range(7)][::-1]
    first = client.v1.customers.list({"limit": 3})
    assert ([one.id for one in first.data], first.has_more, first.url) == (made[:3], True, "/v1/customers")
    second = client.v1.customers.list({"limit": 3, "starting_after": made[2]})
    assert [one.id for one in second.data] == made[3:6]
    back = client.v1.customers.list({"limit": 2, "ending_before": made[4]})
    assert ([one.id for one in back.data], back.has_more) == (made[2:4], True)
    assert [one.id for one in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made
    for wrong in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_gone"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.list(wrong)  # type: ignore[arg-type]


def test_metadata_is_merged_and_unset(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"b": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    [event] = client.v1.events.list({"type": "customer.updated"}).data
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"metadata": {"b": "2", "c": None}}
    emptied = client.v1.customers.update(customer.id, {"metadata": ""}).metadata
    assert emptied is not None
    assert emptied.to_dict() == {}


def test_references_are_expanded(client: stripe.StripeClient, server: EmulatorServer) -> None:
    product = client.v1.products.create({"name": "Gold", "default_price_data": {"currency": "usd", "unit_amount": 5}})
    assert isinstance(product.default_price, str)
    [listed] = client.v1.products.list({"expand": ["data.default_price.product"]}).data
    assert isinstance(listed.default_price, stripe.Price)
    assert isinstance(listed.default_price.product, stripe.Product)
    wrong = call(server, f"/v1/products/{product.id}?expand[]=nothing")
    assert "cannot be expanded (nothing)" in wrong.json()["error"]["message"]
    customer = client.v1.customers.create()
    client.v1.customers.delete(customer.id)
    assert client.v1.customers.retrieve(customer.id, {"expand": ["default_source"]}).deleted


def test_faults_that_a_test_orders(client: stripe.StripeClient, server: EmulatorServer) -> None:
    server.fault(path="/v1/customers", method="POST", status=500)
    with pytest.raises(stripe.APIError):
        client.v1.customers.create()
    server.fault(path="/v1/customers", status=429, retry_after="3")
    with pytest.raises(stripe.RateLimitError) as limited:
        client.v1.customers.list()
    assert limited.value.headers is not None
    assert limited.value.headers["retry-after"] == "3"
    server.fault(path="/v1/*", close=True)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.list()
    assert client.v1.customers.list().data == []


def test_an_answer_lost_after_the_effect_is_found_by_its_key(
    client: stripe.StripeClient, server: EmulatorServer
) -> None:
    server.fault(path="/v1/customers", close=True, after_effect=True)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Alice"}, {"idempotency_key": "lost"})
    found = client.v1.customers.create({"name": "Alice"}, {"idempotency_key": "lost"})
    assert [one.id for one in client.v1.customers.list().data] == [found.id]
    assert [entry["replayed"] for entry in server.journal()] == [False, True, False]


def test_the_journal_shows_no_key(client: stripe.StripeClient, server: EmulatorServer) -> None:
    client.v1.customers.create({"name": "Alice"})
    [entry] = server.journal()
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/v1/customers", 200)
    assert entry["parameters"] == {"name": "Alice"}
    assert KEY not in str(entry)


def test_lookup_keys_are_of_one_price(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Gold"})
    data: Any = {"product": product.id, "currency": "usd", "unit_amount": 100, "lookup_key": "gold"}
    first = client.v1.prices.create(data)
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.create(data)
    second = client.v1.prices.create({**data, "transfer_lookup_key": True})
    assert [one.id for one in client.v1.prices.list({"lookup_keys": ["gold"]}).data] == [second.id]
    assert client.v1.prices.retrieve(first.id).lookup_key is None


def test_tiers(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Seats"})
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
    tiers: Any = [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50, "flat_amount": 7}]
    for mode, amount in (("graduated", 10 * 100 + 5 * 50 + 7), ("volume", 15 * 50 + 7)):
        data: Any = {
            "product": product.id,
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": mode,
            "tiers": tiers,
            "recurring": {"interval": "month"},
            "expand": ["tiers"],
        }
        price = client.v1.prices.create(data)
        assert price.tiers is not None
        assert price.tiers[1].up_to is None
        asked: Any = {"customer": customer.id, "subscription_details": {"items": [{"price": price.id, "quantity": 15}]}}
        assert client.v1.invoices.create_preview(asked).amount_due == amount
    assert client.v1.subscriptions.list().data == []
