"""Usage: reported once, summed by period, on the invoice."""

from typing import Any

import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import Received
from apps.billing.tests.emulator.life import DAY, Life, moment


@pytest.fixture
def meter(client: stripe.StripeClient) -> stripe.billing.Meter:
    return client.v1.billing.meters.create(
        {"display_name": "Tokens", "event_name": "tokens", "default_aggregation": {"formula": "sum"}}
    )


def report(client: stripe.StripeClient, customer: str, value: object, **fields: Any) -> stripe.billing.MeterEvent:
    payload = {"stripe_customer_id": customer, "value": str(value)}
    data: Any = {"event_name": "tokens", "payload": payload, **fields}
    return client.v1.billing.meter_events.create(data)


def metered(life: Life, meter: stripe.billing.Meter) -> stripe.Price:
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    return life.client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount_decimal": "0.025",  # type: ignore[typeddict-item]
            "recurring": recurring,  # type: ignore[typeddict-item]
            "product_data": {"name": "Tokens"},
        }
    )


def test_usage_comes_on_the_invoice_of_its_period(client: stripe.StripeClient, meter: stripe.billing.Meter) -> None:
    life = Life.begin(client, at="2026-04-01")
    subscription = life.subscribe(metered(life, meter))
    assert subscription.status == "active"
    life.advance("2026-04-20")
    report(client, life.customer.id, 100_000, identifier="a")
    report(client, life.customer.id, 20_000, identifier="b", timestamp=moment("2026-04-10"))
    assert client.v1.invoices.create_preview({"subscription": subscription.id}).amount_due == 3000
    life.advance("2026-05-01T00:30:00")
    report(client, life.customer.id, 4_000, identifier="late", timestamp=moment("2026-04-30T23:00:00"))
    report(client, life.customer.id, 8_000, identifier="next")
    life.advance("2026-05-01T02:00:00")
    invoice = life.invoices()[-1]
    [line] = invoice.lines.data
    assert (invoice.status, line.quantity, invoice.amount_paid) == ("paid", 124_000, 3100)
    life.advance("2026-06-02")
    assert life.invoices()[-1].lines.data[0].quantity == 8_000


def test_what_is_left_is_billed_at_the_end(client: stripe.StripeClient, meter: stripe.billing.Meter) -> None:
    life = Life.begin(client, at="2026-04-01")
    subscription = life.subscribe(metered(life, meter))
    life.advance("2026-04-20")
    report(client, life.customer.id, 100_000)
    client.v1.subscriptions.cancel(subscription.id)
    life.advance("2026-04-21")
    assert [invoice.amount_paid for invoice in life.invoices()] == [2500]


def test_an_identifier_counts_once_a_day(client: stripe.StripeClient, meter: stripe.billing.Meter) -> None:
    life = Life.begin(client, at="2026-04-01")
    report(client, life.customer.id, 5, identifier="hour-1")
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier hour-1"):
        report(client, life.customer.id, 5, identifier="hour-1")
    life.advance(life.clock.frozen_time + DAY + 1)
    report(client, life.customer.id, 5, identifier="hour-1")
    span = {"start_time": moment("2026-04-01"), "end_time": moment("2026-04-03")}
    asked: Any = {"customer": life.customer.id, **span}
    [summary] = client.v1.billing.meters.event_summaries.list(meter.id, asked).data
    assert summary.aggregated_value == 10
    days = client.v1.billing.meters.event_summaries.list(meter.id, {**asked, "value_grouping_window": "day"}).data
    assert [(day.start_time, day.aggregated_value) for day in days] == [
        (moment("2026-04-02"), 5),
        (moment("2026-04-01"), 5),
    ]


@pytest.mark.parametrize(("days", "code"), [(-36, "timestamp_too_far_in_past"), (1, "timestamp_in_future")])
def test_times_have_bounds(client: stripe.StripeClient, meter: stripe.billing.Meter, days: int, code: str) -> None:
    life = Life.begin(client)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        report(client, life.customer.id, 1, timestamp=life.clock.frozen_time + days * DAY)
    assert refusal.value.code == code


def test_an_event_is_taken_back(client: stripe.StripeClient, meter: stripe.billing.Meter) -> None:
    life = Life.begin(client, at="2026-04-01")
    report(client, life.customer.id, 5, identifier="wrong")
    client.v1.billing.meter_event_adjustments.create(
        {"event_name": "tokens", "type": "cancel", "cancel": {"identifier": "wrong"}}
    )
    span = {"start_time": moment("2026-04-01"), "end_time": moment("2026-04-02")}
    asked: Any = {"customer": life.customer.id, **span}
    assert client.v1.billing.meters.event_summaries.list(meter.id, asked).data[0].aggregated_value == 0


def test_meters_can_lag(client: stripe.StripeClient, server: EmulatorServer, meter: stripe.billing.Meter) -> None:
    life = Life.begin(client, at="2026-04-01")
    server.hold_meters()
    report(client, life.customer.id, 5)
    asked: Any = {
        "customer": life.customer.id,
        "start_time": moment("2026-04-01"),
        "end_time": moment("2026-04-02"),
    }
    assert client.v1.billing.meters.event_summaries.list(meter.id, asked).data[0].aggregated_value == 0
    assert server.process_meters() == 1
    assert client.v1.billing.meters.event_summaries.list(meter.id, asked).data[0].aggregated_value == 5


def test_what_cannot_be_counted_is_reported(
    client: stripe.StripeClient, server: EmulatorServer, meter: stripe.billing.Meter, receiver: Received
) -> None:
    destination = client.v2.core.event_destinations.create(
        {
            "name": "Meters",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"],
            "webhook_endpoint": {"url": receiver.url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    assert destination.webhook_endpoint is not None
    life = Life.begin(client)
    report(client, "cus_nobody", 5, identifier="lost")
    report(client, life.customer.id, "1.5")
    client.v1.billing.meter_events.create({"event_name": "unknown", "payload": {"value": "1"}})
    server.wait_delivered()
    told = [
        client.parse_event_notification(body, signature, str(destination.webhook_endpoint.signing_secret))
        for body, signature in zip(receiver.bodies, receiver.signatures, strict=True)
    ]
    assert [one.type for one in told] == [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    fetched: Any = told[0].fetch_event()
    [error] = fetched.data.reason.error_types
    assert (error.code, error.sample_errors[0]["request"]["identifier"]) == ("meter_event_customer_not_found", "lost")
    assert "data" not in receiver.events[0]
