"""Rows of every kind that staff look at, as many as wanted, each with owners of its own."""

import zlib
from datetime import UTC, datetime, timedelta

import msgspec
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType

from apps.accounts import services as accounts
from apps.accounts.models import Account, Invitation, Membership, Project, User
from apps.accounts.tests.cast import person
from apps.alerts.models import BudgetAlert, DeliveryAttempt, Webhook, WebhookDelivery
from apps.batches.models import Batch
from apps.billing import services as billing
from apps.billing.models import (
    AutoTopUp,
    Dunning,
    LateInvoice,
    LedgerTransaction,
    MeterBatch,
    Plan,
    Reconciliation,
    StripeEvent,
    Subscription,
    TopUp,
)
from apps.catalog.models import AIModel, Deployment, EngineSpan, PriceVersion, RoutingPolicy
from apps.common.sealing import seal, seal_bytes
from apps.files.models import StoredFile
from apps.keys import services as keys
from apps.keys.contracts import IssuedKey, KeyPolicy
from apps.keys.models import ApiKey
from apps.knowledge.models import Graph, GraphDocument, Passage, Reembedding, StoreFile, VectorStore
from apps.knowledge.walls import within
from apps.prompts.contracts import Conversation, Part
from apps.prompts.models import Prompt
from apps.responses.models import BackgroundRun, StoredResponse
from apps.usage.models import UsageDay, UsageEvent, UsageHour

PROVIDER_KEY = "sk-provider-that-nobody-may-see"
HOOK_TOKEN, HOOK_SECRET = "a-path-that-nobody-may-see", "whsec_bm9ib2R5IG1heSBzZWU="
TOTP_SECRET = "TOTPSECRETTHATNOBODYMAYSEE"
SAID = "what a customer said to a model"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def make_records(count: int) -> list[IssuedKey]:
    """The keys that were made, with their secrets."""
    staff = User.objects.filter(is_staff=True).first() or User.objects.create_superuser("root@example.com", "x" * 12)
    RoutingPolicy.objects.get_or_create(pk=1)
    return [_make(number, staff) for number in range(count)]


def _make(number: int, staff: User) -> IssuedKey:
    owner = person(f"owner{number}")
    account = accounts.create_account(name=f"Company {number}", owner_id=owner.pk)
    tier_id = accounts.save_tier(tier_id=None, values={"name": f"Tier {number}", "rpm_limit": 60})
    accounts.set_account_limits(account_id=account.id, values={"tier_id": tier_id})
    Membership.objects.create(account_id=account.id, user=staff, role="viewer")
    project = accounts.create_project(account_id=account.id, name="Second", monthly_budget=5_000_000_000)
    Invitation.objects.create(
        account_id=account.id,
        email=f"guest{number}@example.com",
        token_hash=f"{number:064x}",
        invited_by=owner,
        expires_at=NOON + timedelta(days=7),
    )
    issued = keys.create_key(
        account_id=account.id,
        project_slug=project.slug,
        name=f"Key {number}",
        policy=KeyPolicy(),
        created_by_id=owner.pk,
    )
    price = _on_offer(number, Account.objects.get(pk=account.id))
    _used(number, issued, price)
    _told(number, account.id)
    billing.record_payment(account_id=account.id, amount=5_000_000_000, key=f"paid {number}", reason="Paid")
    _paying(number, account.id)
    billing.grant_credit(account_id=account.id, amount=1_000_000_000, key=f"given {number}", reason="Welcome")
    response = StoredResponse.objects.create(
        public_id=f"resp_{number}",
        account_id=account.id,
        project=Project.objects.get(account_id=account.id, slug=project.slug),
        request_id=f"req_{number}",
        model="moon",
        body=f'{{"output":[{{"content":"{SAID}"}}]}}',
        items=f'[{{"content":"{SAID}"}}]',
        size=100,
        created_at=NOON,
    )
    BackgroundRun.objects.create(
        response=response,
        account_id=account.id,
        api_key=ApiKey.objects.get(public_id=issued.public_id),
        request=f'{{"input":"{SAID}"}}',
    )
    part = [Part("user", "text", SAID)]
    Prompt.objects.create(
        account_id=account.id,
        request_id=f"req_{number}",
        started_at=NOON,
        expires_at=NOON + timedelta(days=7),
        sealed=seal_bytes(zlib.compress(msgspec.json.encode(Conversation(part, part)))),
    )
    Group.objects.create(name=f"Group {number}")
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=True)
    Authenticator.objects.create(user=owner, type="totp", data={"secret": TOTP_SECRET})
    LogEntry.objects.create(
        user=staff,
        content_type=ContentType.objects.get_for_model(Account),
        object_id=account.id,
        object_repr=account.name,
        action_flag=CHANGE,
        change_message="Suspended",
    )
    return issued


def _told(number: int, account_id: int) -> None:
    alert = BudgetAlert.objects.create(
        account_id=account_id,
        scope="account",
        scope_id=account_id,
        reference="company",
        name=f"Company {number}",
        period="2026-11",
        threshold=80,
        spent=4_500,
        budget=5_000,
        is_hard=True,
    )
    webhook = Webhook.objects.create(
        account_id=account_id, url=f"https://example.com/{HOOK_TOKEN}", secret_sealed=seal(HOOK_SECRET)
    )
    delivery = WebhookDelivery.objects.create(
        webhook=webhook, alert=alert, message_id=f"msg_{number}", kind="budget.threshold_reached", body="{}"
    )
    DeliveryAttempt.objects.create(delivery=delivery, status=500)


def _paying(number: int, account_id: int) -> None:
    plan = Plan.objects.create(slug=f"plan-{number}", name=f"Plan {number}", fee=20 * 10**9)
    Subscription.objects.create(account_id=account_id, plan=plan, status="active", stripe_id=f"sub_{number}")
    TopUp.objects.create(account_id=account_id, livemode=False, amount=25 * 10**9)
    AutoTopUp.objects.create(
        account_id=account_id, threshold=10**9, amount=10**10, monthly_cap=10**11, consented_at=NOON
    )
    Dunning.objects.create(account_id=account_id, invoice_id=f"in_{number}", since=NOON, step=1)
    owed = {
        "account_id": account_id,
        "livemode": False,
        "customer_id": f"cus_{number}",
        "cents": 100,
        "transaction": LedgerTransaction.objects.filter(account_id=account_id).earliest("pk"),
    }
    MeterBatch.objects.create(**owed)
    LateInvoice.objects.create(**owed)
    Reconciliation.objects.create(
        began_at=NOON,
        last_day=NOON.date(),
        is_clean=False,
        findings_number=1,
        checks=[{"title": "Events", "state": "done", "compared": 1, "findings": 1, "explained": 0, "note": ""}],
        findings=[{"what": "lost", "where": "northwind", "difference": 5, "unit": "nano_usd"}],
        explained=[],
    )
    StripeEvent.objects.create(
        stripe_id=f"evt_{number}",
        type="payment_intent.succeeded",
        livemode=False,
        body=f'{{"client_secret":"{SAID}"}}',
        created_at=NOON,
    )


def _on_offer(number: int, account: Account) -> PriceVersion:
    model = AIModel.objects.create(public_name=f"moon-{number}", account=account)
    Deployment.objects.create(
        ai_model=model,
        name=f"moon-{number}-a",
        provider_model="hosted_vllm/moon",
        api_base="http://vllm:8000/v1",
        api_key_sealed=seal(PROVIDER_KEY),
    )
    EngineSpan.objects.create(
        engine="http://vllm:8000/v1",
        deployments=[f"moon-{number}-a"],
        day=NOON.date(),
        from_at=NOON,
        until_at=NOON,
        seen_at=NOON,
        prompt_counter=1,
        output_counter=1,
    )
    return PriceVersion.objects.create(
        ai_model=model,
        valid_from=NOON,
        input_price=150_000_000,
        cached_input_price=15_000_000,
        output_price=600_000_000,
    )


def _used(number: int, issued: IssuedKey, price: PriceVersion) -> None:
    key = ApiKey.objects.get(public_id=issued.public_id)
    owners = {"account_id": key.account_id, "project_id": key.project_id, "api_key": key, "model": "moon"}
    UsageEvent.objects.create(
        **owners,
        request_id=f"req_{number}",
        endpoint="chat.completions",
        outcome="completed",
        price_version=price,
        input_tokens=10,
        output_tokens=5,
        cost=4_500,
        started_at=NOON + timedelta(seconds=number),
        duration_ms=120,
    )
    owner = {"account_id": key.account_id, "project_id": key.project_id}
    file = StoredFile.objects.create(**owner, public_id=f"file-{number}", name="moon.jsonl", purpose="batch", size=7)
    Batch.objects.create(
        **owner, public_id=f"batch_{number}", api_key=key, endpoint="/v1/embeddings", input_file=file, expires_at=NOON
    )
    store = VectorStore.objects.create(
        **owner,
        public_id=f"vs_{number}",
        api_key=key,
        name=f"Store {number}",
        embedding_model="moon",
        last_active_at=NOON,
    )
    kept = StoreFile.objects.create(
        account_id=key.account_id, store=store, file=file, api_key=key, max_tokens=800, overlap=400, passages_total=1
    )
    with within(key.account_id):
        Passage.objects.create(
            account_id=key.account_id, store=store, document=kept, position=0, text=SAID, tokens=5, digest=b"digest"
        )
    Reembedding.objects.create(account_id=key.account_id, store=store, api_key=key, model="sun", waits_for="A limit.")
    graph = Graph.objects.create(account_id=key.account_id, store=store, api_key=key, method="offline")
    GraphDocument.objects.create(account_id=key.account_id, graph=graph, document=kept, passages_total=1)
    UsageHour.objects.create(**owners, hour=NOON, requests=1, input_tokens=10, output_tokens=5, cost=4_500)
    UsageDay.objects.create(**owners, day=NOON.date(), requests=1, input_tokens=10, output_tokens=5, cost=4_500)
