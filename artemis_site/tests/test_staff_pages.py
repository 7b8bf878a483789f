"""Every page of the staff desk: for staff alone, quick however many rows there are, and without a secret."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Invitation, User
from apps.accounts.tests.cast import person
from apps.catalog.models import Deployment, RoutingPolicy
from apps.common.desk import BoundedPaginator
from apps.keys.contracts import IssuedKey
from apps.keys.models import KeySecret
from apps.usage.models import UsageEvent
from artemis_site.tests.records import HOOK_SECRET, HOOK_TOKEN, PROVIDER_KEY, SAID, TOTP_SECRET, make_records

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
ROWS = 30
MOST_QUERIES = 12  # session, user, count, rows, date hierarchy and filters


def page(model: type[Model], name: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)


def registered() -> list[type[Model]]:
    admin.autodiscover()
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def staff(db: None) -> Client:
    root = User.objects.create_superuser("root@example.com", "a moon over the forest")
    client = Client()
    client.force_login(root, backend=BACKEND)
    return client


@pytest.fixture
def secrets(staff: Client) -> Iterator[list[IssuedKey]]:
    yield make_records(2)


def test_the_index_is_in_an_order_for_people(staff: Client) -> None:
    text = staff.get("/admin/").content.decode()
    names = [
        "Accounts and people",
        "API keys",
        "Models, prices and routing",
        "Usage",
        "Second factors",
        "What staff did",
    ]
    places = [text.index(f"{name}\n") if f"{name}\n" in text else text.index(name) for name in names]
    assert places == sorted(places)


@pytest.mark.django_db
def test_the_desk_is_for_staff_alone() -> None:
    client = Client()
    assert client.get("/admin/").status_code == 302
    signed_out = client.get("/admin/login/?next=/admin/")
    assert signed_out.headers["Location"].startswith("/accounts/login/")  # and so through the second factor
    client.force_login(person("visitor"), backend=BACKEND)
    assert client.get("/admin/", follow=True).status_code == 403
    for model in registered():
        assert client.get(page(model, "changelist")).status_code == 302


def test_lists_need_few_queries_however_long_they_are(staff: Client) -> None:
    make_records(ROWS)
    for model in registered():
        if model is RoutingPolicy:
            continue
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = staff.get(page(model, "changelist"))
        assert answer.status_code == 200, model
        assert len(answer.context["cl"].result_list) >= ROWS, model
        assert len(queries) <= MOST_QUERIES, (model, [query["sql"] for query in queries])


def test_long_lists_are_not_read_to_their_end(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_records(ROWS)
    path = page(UsageEvent, "changelist")
    monkeypatch.setattr(admin.site._registry[UsageEvent], "list_per_page", ROWS // 3)
    with CaptureQueriesContext(connection) as queries:
        answer = staff.get(path)
    assert f"{ROWS} usage events" in answer.content.decode()
    of_events = [query["sql"] for query in queries if "usage_usageevent" in query["sql"]]
    assert len(of_events) == 2  # their number and the rows
    for sql in of_events:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            assert "Limit" in " ".join(line for (line,) in cursor.fetchall()), sql

    monkeypatch.setattr(BoundedPaginator, "most", ROWS - 1)
    assert f"The first {ROWS - 1} usage events; narrow them" in staff.get(path).content.decode()
    assert "1 usage event\n" in staff.get(path, {"q": " req_7 "}).content.decode()
    for narrowed in ("endpoint=chat.completions", "service_tier=batch", "started_at__gte=2001-01-01+00:00:00%2B00:00"):
        assert staff.get(f"{path}?{narrowed}").status_code == 200


def test_every_page_is_shown_and_none_shows_a_secret(staff: Client, secrets: list[IssuedKey]) -> None:
    hidden = [HOOK_SECRET, HOOK_TOKEN, PROVIDER_KEY, TOTP_SECRET, SAID, *(issued.secret for issued in secrets)]
    hidden += KeySecret.objects.values_list("secret_hash", flat=True)
    hidden += Deployment.objects.values_list("api_key_sealed", flat=True)
    hidden += Invitation.objects.values_list("token_hash", flat=True)
    for model in registered():
        texts = [
            staff.get(page(model, "changelist"), {"q": "moon"}, follow=True),
            staff.get(page(model, "changelist"), follow=True),
        ]
        row = model._default_manager.first()
        assert row is not None, model
        texts.append(staff.get(page(model, "change", row.pk)))
        if admin.site._registry[model].has_add_permission(texts[0].wsgi_request):
            texts.append(staff.get(page(model, "add")))
        for answer in texts:
            assert answer.status_code == 200, (model, answer.request["PATH_INFO"])
            assert not [secret for secret in hidden if secret in answer.content.decode()], model


def test_changing_a_page_needs_few_queries_too(staff: Client, secrets: list[IssuedKey]) -> None:
    for model in registered():
        row = model._default_manager.first()
        assert row is not None
        with CaptureQueriesContext(connection) as queries:
            staff.get(page(model, "change", row.pk))
        assert len(queries) <= 20, (model, [query["sql"] for query in queries])
