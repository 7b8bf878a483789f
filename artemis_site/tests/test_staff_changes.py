"""What staff change on their desk goes through the services, and gateways see it at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Account, Membership, Project, User
from apps.accounts.tests.cast import Cast, cast, person
from apps.catalog.models import AIModel, Deployment, PriceVersion, RoutingPolicy
from apps.catalog.selectors import catalog
from apps.common.errors import Forbidden, Unauthenticated
from apps.common.redis import sync_redis
from apps.common.revisions import CATALOG, account_revision, key_revision
from apps.common.sealing import unseal
from apps.gateway.selectors import key_of_token
from apps.keys import services as keys
from apps.keys.contracts import IssuedKey, KeyPolicy
from apps.keys.models import ApiKey

__all__ = ["cast"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
HOME = "127.0.0.1"
pytestmark = pytest.mark.django_db(transaction=True)  # revisions are published on commit


@pytest.fixture(autouse=True)
def _no_revisions_of_other_tests() -> None:
    sync_redis().flushdb()


@pytest.fixture
def staff() -> Client:
    client = Client()
    root = User.objects.create_superuser("root@example.com", "a moon over the forest")
    client.force_login(root, backend=BACKEND)
    return client


@pytest.fixture
def issued(cast: Cast) -> IssuedKey:
    return keys.create_key(account_id=cast.northwind.id, project_slug="default", name="Production", policy=KeyPolicy())


def revision(name: str) -> int:
    return int(sync_redis().get(name) or 0)


def act(staff: Client, path: str, action: str, row: Any, **more: str) -> Any:
    return staff.post(path, {"action": action, "_selected_action": row.pk, **more}, follow=True)


def formset(prefix: str, *rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    counts = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": initial}
    return counts | {
        f"{prefix}-{number}-{name}": value for number, row in enumerate(rows) for name, value in row.items()
    }


def test_a_disabled_key_is_refused_at_once(staff: Client, issued: IssuedKey) -> None:
    key = ApiKey.objects.get(public_id=issued.public_id)
    assert key_of_token(token=issued.secret, address=HOME).key_id == key.pk

    assert b"Are you sure?" in act(staff, "/admin/keys/apikey/", "disable", key).content
    key_of_token(token=issued.secret, address=HOME)
    act(staff, "/admin/keys/apikey/", "disable", key, confirmed="yes")

    with pytest.raises(Unauthenticated, match="switched off"):
        key_of_token(token=issued.secret, address=HOME)
    key.refresh_from_db()
    assert revision(key_revision(key.public_id)) == key.version == 2
    act(staff, "/admin/keys/apikey/", "enable", key, confirmed="yes")
    assert key_of_token(token=issued.secret, address=HOME).version == 3


def test_a_revoked_key_is_refused_for_ever(staff: Client, issued: IssuedKey) -> None:
    key = ApiKey.objects.get(public_id=issued.public_id)
    act(staff, "/admin/keys/apikey/", "revoke", key, confirmed="yes")
    answer = act(staff, "/admin/keys/apikey/", "enable", key, confirmed="yes")
    assert b"This key is revoked" in answer.content
    with pytest.raises(Unauthenticated):
        key_of_token(token=issued.secret, address=HOME)
    assert b'name="_save"' not in staff.get(f"/admin/keys/apikey/{key.pk}/change/").content


def test_a_policy_is_changed_with_its_version(staff: Client, issued: IssuedKey) -> None:
    key = ApiKey.objects.get(public_id=issued.public_id)
    policy = {
        "name": "Production",
        "allowed_models": "moon,moon-small",
        "allowed_endpoints": ["models"],
        "ip_allow_list": "203.0.113.0/24",
        "rpm_limit": "60",
        "monthly_budget": "12.50",
        "budget_is_hard": "on",
        **formset("secrets", initial=0),
    }
    assert staff.post(f"/admin/keys/apikey/{key.pk}/change/", policy).status_code == 302
    facts = key_of_token(token=issued.secret, address="203.0.113.9")
    assert facts.policy == KeyPolicy(
        allowed_models=("moon", "moon-small"),
        allowed_endpoints=("models",),
        ip_allow_list=("203.0.113.0/24",),
        rpm_limit=60,
        monthly_budget=12_500_000_000,
    )
    assert revision(key_revision(key.public_id)) == 2
    refused = staff.post(f"/admin/keys/apikey/{key.pk}/change/", policy | {"ip_allow_list": "the moon"})
    assert b"Give addresses or networks" in refused.content


def test_a_suspended_account_is_refused_and_told_why(staff: Client, cast: Cast, issued: IssuedKey) -> None:
    account = Account.objects.get(pk=cast.northwind.id)
    path = "/admin/accounts/account/"
    assert b"Give a reason" in act(staff, path, "suspend", account, confirmed="yes", reason=" ").content
    act(staff, path, "suspend", account, confirmed="yes", reason="Unpaid since spring")
    with pytest.raises(Forbidden, match="suspended"):
        key_of_token(token=issued.secret, address=HOME)
    account.refresh_from_db()
    assert (account.suspension_reason, account.version) == ("Unpaid since spring", 2)
    assert revision(account_revision(account.pk)) == 2
    act(staff, path, "resume", account)
    assert key_of_token(token=issued.secret, address=HOME).account_version == 3


def account_form(account: Account, *members: dict[str, Any], **fields: Any) -> dict[str, Any]:
    project = account.projects.get()
    return {
        "name": account.name,
        "monthly_budget": "",
        "budget_is_hard": "on",
        **formset("memberships", *members, initial=sum("id" in row for row in members)),
        **formset(
            "projects", {"id": project.pk, "account": account.pk, "name": "Chat", "monthly_budget": "3"}, initial=1
        ),
        **fields,
    }


def member(membership: Membership, role: str, **more: Any) -> dict[str, Any]:
    return {"id": membership.pk, "account": membership.account_id, "user": membership.user_id, "role": role, **more}


def test_members_projects_and_budget_of_an_account(staff: Client, cast: Cast) -> None:
    account = Account.objects.get(pk=cast.northwind.id)
    path = f"/admin/accounts/account/{account.pk}/change/"
    alice, bob = account.memberships.order_by("pk")
    dora = person("dora")

    ownerless = staff.post(path, account_form(account, member(alice, "viewer"), member(bob, "admin")))
    assert b"An account needs an owner" in ownerless.content
    handed_over = account_form(
        account,
        member(alice, "viewer"),
        member(bob, "owner"),
        {"account": account.pk, "user": dora.pk, "role": "billing"},
        name="Northwind Ltd",
        monthly_budget="100",
    )
    assert staff.post(path, handed_over).status_code == 302

    account.refresh_from_db()
    assert (account.name, account.monthly_budget) == ("Northwind Ltd", 100_000_000_000)
    assert dict(account.memberships.values_list("user__email", "role")) == {
        "alice@example.com": "viewer",
        "bob@example.com": "owner",
        "dora@example.com": "billing",
    }
    assert account.projects.values_list("name", "slug", "monthly_budget").get() == ("Chat", "default", 3_000_000_000)
    assert revision(account_revision(account.pk)) == account.version == 3


def test_a_new_account_and_a_new_project(staff: Client, cast: Cast) -> None:
    staff.post("/admin/accounts/account/add/", {"name": "Southwind", "owner": cast.bob.pk})
    account = Account.objects.get(slug="southwind")
    assert account.memberships.get().role == "owner"
    staff.post("/admin/accounts/project/add/", {"account": account.pk, "name": "Game", "monthly_budget": "1"})
    taken = staff.post("/admin/accounts/project/add/", {"account": account.pk, "name": "game"}, follow=True)
    assert b"has a project of this name already" in taken.content
    game = Project.objects.get(slug="game")
    act(staff, "/admin/accounts/project/", "archive", game, confirmed="yes")
    game.refresh_from_db()
    assert game.archived_at


def deployment_form(model: AIModel, **fields: Any) -> dict[str, Any]:
    return {
        "ai_model": model.pk,
        "name": "moon-a",
        "provider_model": "hosted_vllm/moon",
        "api_base": "http://vllm:8000/v1",
        "enabled": "on",
        "order": "1",
        "weight": "1",
        "timeout": "600",
        "stream_timeout": "60",
        "model_info": "{}",
        **fields,
    }


def test_a_deployments_key_is_sealed_and_stays(staff: Client) -> None:
    model = AIModel.objects.create(public_name="moon")
    before = catalog().version
    staff.post("/admin/catalog/deployment/add/", deployment_form(model, api_key="sk-provider"))
    deployment = Deployment.objects.get()
    assert unseal(deployment.api_key_sealed) == "sk-provider" and "sk-provider" not in deployment.api_key_sealed
    assert catalog().version == revision(CATALOG) == before + 1
    path = f"/admin/catalog/deployment/{deployment.pk}/change/"
    assert b"sk-provider" not in staff.get(path).content

    staff.post(path, deployment_form(model, weight="3"))
    deployment.refresh_from_db()
    assert deployment.weight == 3 and unseal(deployment.api_key_sealed) == "sk-provider"
    assert b"one of the three" in staff.post(path, deployment_form(model, api_key="x", api_key_env="X")).content
    staff.post(path, deployment_form(model, forget_key="on"))
    deployment.refresh_from_db()
    assert deployment.api_key_sealed == ""

    act(staff, "/admin/catalog/deployment/", "disable", deployment, confirmed="yes")
    assert catalog().models["moon"].deployments == ()
    act(staff, "/admin/catalog/deployment/", "enable", deployment)
    act(staff, "/admin/catalog/deployment/", "drain", deployment, confirmed="yes", reason="New fans.")
    deployment.refresh_from_db()
    assert (deployment.duty, deployment.duty_reason) == ("drained", "New fans.")
    assert catalog().models["moon"].deployments == ()
    act(staff, "/admin/catalog/deployment/", "bring_back", deployment)
    deployment.refresh_from_db()
    assert deployment.duty == "returning"

    before = revision(CATALOG)
    act(staff, "/admin/catalog/deployment/", "delete_selected", deployment, post="yes")
    assert not Deployment.objects.exists() and revision(CATALOG) == before + 1


def test_nonsense_is_refused(staff: Client) -> None:
    model = AIModel.objects.create(public_name="moon")
    for field, value in {"provider_model": "moon", "api_base": "file:///etc/passwd", "order": "-1"}.items():
        answer = staff.post("/admin/catalog/deployment/add/", deployment_form(model, **{field: value}))
        assert answer.status_code == 200 and answer.context["errors"], field
    assert not Deployment.objects.exists()


def test_a_model_with_its_price_and_deployment_in_one_go(staff: Client) -> None:
    price = {"valid_from_0": "2026-01-01", "valid_from_1": "00:00", "input_price": "0.15", "output_price": "0.6"}
    price |= {"search_price": "0"}
    form = {
        "public_name": "moon",
        "kind": "chat",
        "enabled": "on",
        "owned_by": "artemis",
        "context_length": "8192",
        "max_output_tokens": "512",
        **formset(
            "deployments", {k: v for k, v in deployment_form(AIModel(), api_key="sk-p").items() if k != "ai_model"}
        ),
        **formset("prices"),
        **formset("prices-2", {**price, "cached_input_price": "0.015"}),
    }
    answer = staff.post("/admin/catalog/aimodel/add/", form)
    assert answer.status_code == 302, answer.context and answer.context["errors"]
    facts = catalog().models["moon"]
    assert [(row.input, row.cached_input, row.output) for row in facts.prices] == [
        (150_000_000, 15_000_000, 600_000_000)
    ]
    assert facts.deployments[0].api_key == "sk-p"
    assert revision(CATALOG) == catalog().version > 1
    model = AIModel.objects.get()
    act(staff, "/admin/catalog/aimodel/", "disable", model, confirmed="yes")
    assert "moon" not in catalog().models


def test_prices_are_added_and_never_changed(staff: Client) -> None:
    model = AIModel.objects.create(public_name="moon")
    form = {
        "ai_model": model.pk,
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00",
        "input_price": "1",
        "cached_input_price": "0.0375",
        "output_price": "2",
        "search_price": "0",
    }
    before = revision(CATALOG)
    staff.post("/admin/catalog/priceversion/add/", form)
    price = PriceVersion.objects.get()
    assert price.cached_input_price == 37_500_000
    assert revision(CATALOG) == catalog().version > before
    path = f"/admin/catalog/priceversion/{price.pk}"
    assert staff.post(f"{path}/change/", form | {"input_price": "0"}).status_code == 403
    assert staff.post(f"{path}/delete/", {"post": "yes"}).status_code == 403


def test_a_new_price_does_not_reach_back(staff: Client) -> None:
    """What was called meanwhile was billed at the price before; “now” may be some minutes old once it is sent."""
    moon = AIModel.objects.create(public_name="moon")
    now = timezone.now()
    PriceVersion.objects.create(ai_model=moon, valid_from=now - timedelta(days=9), output_price=1)
    prices = {"input_price": "1", "cached_input_price": "0", "output_price": "2", "search_price": "0"}

    def give(ago: timedelta) -> str:
        at = timezone.localtime(now - ago)
        moment = {"valid_from_0": f"{at:%Y-%m-%d}", "valid_from_1": f"{at:%H:%M:%S}"}
        return staff.post("/admin/catalog/priceversion/add/", prices | moment | {"ai_model": moon.pk}).content.decode()

    assert "Past prices never change" in give(timedelta(days=1))
    assert PriceVersion.objects.count() == 1
    give(timedelta(minutes=5))
    assert PriceVersion.objects.latest("pk").valid_from >= now
    give(timedelta(days=-1))
    assert PriceVersion.objects.count() == 3


def test_there_is_one_routing_policy(staff: Client) -> None:
    AIModel.objects.create(public_name="moon")
    AIModel.objects.create(public_name="claude")
    answer = staff.get("/admin/catalog/routingpolicy/")
    path = "/admin/catalog/routingpolicy/1/change/"
    assert answer.headers["Location"] == path
    form = {
        "routing_strategy": "simple-shuffle",
        "fallbacks": '{"moon": ["claude"]}',
        "context_window_fallbacks": "{}",
        "num_retries": "2",
        "allowed_fails": "3",
        "cooldown_time": "5",
    }
    before = RoutingPolicy.objects.get().version
    assert staff.post(path, form).status_code == 302
    assert catalog().routing.fallbacks == {"moon": ["claude"]} and catalog().routing.num_retries == 2
    assert catalog().version == revision(CATALOG) == before + 1
    for wrong in ({"routing_strategy": "latency"}, {"fallbacks": '{"moon": ["sun"]}'}, {"fallbacks": "[1]"}):
        assert staff.post(path, form | wrong).context["errors"], wrong
    assert staff.get("/admin/catalog/routingpolicy/add/").status_code == 403


def test_people(staff: Client, cast: Cast) -> None:
    passwords = {
        "usable_password": "true",
        "password1": "a moon over the forest",
        "password2": "a moon over the forest",
    }
    answer = staff.post("/admin/accounts/user/add/", {"email": "Dora@Example.com", **passwords})
    assert answer.status_code == 302
    assert User.objects.get(email="dora@example.com").check_password("a moon over the forest")
    assert staff.get(f"/admin/accounts/user/{cast.alice.pk}/delete/").status_code == 403


def test_staff_cannot_give_themselves_rights(cast: Cast) -> None:
    cast.alice.is_staff = True
    cast.alice.save()
    cast.alice.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client = Client()
    client.force_login(cast.alice, backend=BACKEND)
    client.post(
        f"/admin/accounts/user/{cast.alice.pk}/change/", {"is_superuser": "on", "is_active": "on", "is_staff": "on"}
    )
    cast.alice.refresh_from_db()
    assert cast.alice.is_active and not cast.alice.is_superuser
    root = User.objects.create_superuser("root@example.com", "x" * 12)
    client.post(f"/admin/accounts/user/{root.pk}/change/", {"is_active": ""})
    assert client.get(f"/admin/accounts/user/{root.pk}/password/").status_code == 403
    root.refresh_from_db()
    assert root.is_active
