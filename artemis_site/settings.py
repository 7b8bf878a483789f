"""Settings, all from the environment; the table in README.md says what each does."""

from pathlib import Path

import csp.constants as csp
from celery.schedules import crontab

from apps.common.logs.lines import logging_settings
from artemis_site.environment import (
    BASE_DIR,
    artemis_home,
    env,
    file_storage,
    is_live_key,
    networks,
    read_running_platform,
    refuse_unfit_production,
    stand_in_for_stripe,
    three_days,
)

read_running_platform()

ARTEMIS_ENV = env.str("ARTEMIS_ENV", "development")
ARTEMIS_HOME = artemis_home()
PLANE = env.str("ARTEMIS_PLANE", "all")
PRODUCTION = ARTEMIS_ENV == "production"
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "" if PRODUCTION else "insecure-development-key-for-this-machine-only")
DATABASE_URL = env.str("DATABASE_URL", "")
REDIS_URL = env.str("REDIS_URL", "")
PUBLIC_URL = env.str("PUBLIC_URL", "" if PRODUCTION else f"http://127.0.0.1:{env.int('ARTEMIS_PORT', 8000)}").rstrip(
    "/"
)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
TRUSTED_PROXIES = networks(env.list("TRUSTED_PROXIES", default=[]), "TRUSTED_PROXIES")
# Only where each of these is one of ours (deploy/edge), which makes ids itself: with an id that was billed before, a
# request is free.
REQUEST_IDS_FROM_PROXY = env.bool("REQUEST_IDS_FROM_PROXY", False)

if PRODUCTION:
    refuse_unfit_production(
        debug=DEBUG,
        secret_key=SECRET_KEY,
        database_url=DATABASE_URL,
        redis_url=REDIS_URL,
        email_url=env.str("EMAIL_URL", ""),
        public_url=PUBLIC_URL,
        hosts=ALLOWED_HOSTS,
    )

REDIS_URL = REDIS_URL or "redis://127.0.0.1:1/0"  # nobody answers there: commands then say that nothing runs

INSTALLED_APPS = [
    "djstripe",  # before the rooms that take its pages off the desk
    "apps.common",
    "apps.accounts",
    "apps.keys",
    "apps.catalog",
    "apps.files",
    "apps.usage",
    "apps.prompts",
    "apps.billing",
    "apps.alerts",
    "apps.gateway",
    "apps.responses",
    "apps.batches",
    "apps.knowledge",
    "apps.api",
    "apps.portal",
    "artemis_site.apps.StaffConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

# The portal's plane. The /v1 plane has a lean handler of its own (apps/api/handler.py) and none of these.
MIDDLEWARE = [
    "apps.portal.middleware.CallersAddress",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "artemis_site.bodies.RefusesLargeBodies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.portal.middleware.PrivatePages",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "artemis_site.urls"
V1_URLCONF = "apps.api.urls"
ASGI_APPLICATION = "artemis_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.portal.context.portal",
            ],
        },
    }
]

# Data. Under ASGI a pool hands out connections for the length of a piece of work; none is held by a request
# in flight (see apps/common/database.py).
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL or "postgres://artemis@127.0.0.1:1/artemis"),  # port 1: nobody answers
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # each as the pool hands it out: after an outage all that it has are dead
        # The pool doubles its pause with each connection in vain; it begins anew before that is very long.
        "OPTIONS": {
            "pool": {"min_size": 0, "max_size": env.int("DATABASE_POOL_SIZE", 8), "timeout": 5, "reconnect_timeout": 8}
        },
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_POOLER", False),
    }
}
if ARTEMIS_ENV == "test":  # Django's tests begin anew by TRUNCATE, which the ledger otherwise refuses
    DATABASES["default"]["OPTIONS"]["options"] = "-c artemis.ledger_may_be_emptied=on"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# Celery
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a task of minutes must not keep others waiting that another child could do
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # else a Redis that is full for a moment ends every worker
CELERY_WORKER_CONSUMER = "artemis_site.consumer:Consumer"
WORKER_CANARY_SECONDS = env.float("WORKER_CANARY_SECONDS", 20.0)
WORKER_ALIVE_FILE, BEAT_ALIVE_FILE = ARTEMIS_HOME / "worker.alive", ARTEMIS_HOME / "beat.alive"  # deploy.alive looks
CELERY_BEAT_SCHEDULER = "artemis_site.liveness.Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(ARTEMIS_HOME / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "drain usage events": {"task": "usage.drain_events", "schedule": 1.0, "options": {"expires": 5}},
    "sample engines": {"task": "catalog.sample_engines", "schedule": 60.0, "options": {"expires": 30}},
    "watch engines": {"task": "catalog.watch_engines", "schedule": 10.0, "options": {"expires": 10}},
    "warm up engines that return": {"task": "catalog.warm_up", "schedule": 5.0, "options": {"expires": 5}},
    "make months of usage events": {"task": "usage.make_months", "schedule": 3600.0, "options": {"expires": 3600}},
    "post usage": {"task": "billing.post_usage", "schedule": 60.0, "options": {"expires": 60}},
    "expire credit": {"task": "billing.expire_credit", "schedule": 60.0, "options": {"expires": 60}},
    "handle Stripe's events": {"task": "billing.handle_events", "schedule": 5.0, "options": {"expires": 5}},
    "look for missed events of Stripe's": {
        "task": "billing.find_missed_events",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "reconcile": {"task": "billing.reconcile", "schedule": crontab(hour=3, minute=20), "options": {"expires": 3600}},
    "check budgets": {"task": "alerts.check_budgets", "schedule": 30.0, "options": {"expires": 30}},
    "mail budget alerts": {"task": "alerts.mail_waiting", "schedule": 10.0, "options": {"expires": 10}},
    "mail letters": {"task": "accounts.mail_letters", "schedule": 10.0, "options": {"expires": 10}},
    "put what is owed on invoices": {"task": "billing.bill_overage", "schedule": 60.0, "options": {"expires": 60}},
    "top up automatically": {"task": "billing.top_up_automatically", "schedule": 15.0, "options": {"expires": 15}},
    "dun": {"task": "billing.dun", "schedule": 60.0, "options": {"expires": 60}},
    "deliver webhooks": {"task": "alerts.deliver_waiting", "schedule": 5.0, "options": {"expires": 5}},
    "release expired holds": {
        "task": "gateway.release_expired_holds",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "delete expired responses": {
        "task": "responses.delete_expired",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "make room for responses": {
        "task": "responses.make_room",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "delete old alerts": {"task": "alerts.delete_old", "schedule": 3600.0, "options": {"expires": 3600}},
    "tell figures of billing": {"task": "usage.tell_figures", "schedule": 15.0, "options": {"expires": 15}},
    "tell figures of ingestion": {"task": "knowledge.tell_figures", "schedule": 15.0, "options": {"expires": 15}},
    "run batches": {"task": "batches.run", "schedule": 5.0, "options": {"expires": 5}},
    "run responses": {"task": "responses.run", "schedule": 5.0, "options": {"expires": 5}},
    "read documents": {"task": "knowledge.run", "schedule": 5.0, "options": {"expires": 5}},
    "embed stores anew": {"task": "knowledge.reembed", "schedule": 5.0, "options": {"expires": 5}},
    "build graphs": {"task": "knowledge.graph", "schedule": 5.0, "options": {"expires": 5}},
    "empty vector stores": {"task": "knowledge.empty", "schedule": 30.0, "options": {"expires": 30}},
    "index vector stores": {"task": "knowledge.index", "schedule": 60.0, "options": {"expires": 60}},
    "sweep files": {"task": "batches.sweep_files", "schedule": 600.0, "options": {"expires": 600}},
    "remove contents of deleted files": {
        "task": "files.remove_contents",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "store logged prompts": {"task": "prompts.store_waiting", "schedule": 2.0, "options": {"expires": 5}},
    "delete logged prompts": {"task": "prompts.delete_expired", "schedule": 600.0, "options": {"expires": 600}},
    "note keys' last use": {"task": "keys.note_last_use", "schedule": 30.0, "options": {"expires": 30}},
}

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTH_PASSWORD_VALIDATORS[1]["OPTIONS"] = {"min_length": 10}  # type: ignore[assignment]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", "mandatory" if PRODUCTION else "optional")
ACCOUNT_ADAPTER = "apps.portal.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "apps.portal.forms.people.SignupForm"}
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:dashboard"
LOGOUT_REDIRECT_URL = "portal:home"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", True)

vars().update(env.email_url("EMAIL_URL", default=f"filemail:///{ARTEMIS_HOME}/mail"))
EMAIL_TIMEOUT = 10  # a mail server that hangs holds up no worker
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Artemis <artemis@localhost>")

# Stripe; without a key the platform runs without it. dj-stripe reads these, too.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_LIVE_MODE = is_live_key(STRIPE_SECRET_KEY, production=PRODUCTION)
STRIPE_API_VERSION = "2026-05-27.dahlia"  # the one that dj-stripe 2.11 was made for
if host := env.str("STRIPE_API_HOST", ""):  # the stand-in of `make run`
    STRIPE_API_HOST = stand_in_for_stripe(host, live=STRIPE_LIVE_MODE)
STRIPE_PAGES = [host] if host else ["https://checkout.stripe.com", "https://billing.stripe.com"]
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
MIGRATION_MODULES = {"djstripe": "apps.billing.djstripe_migrations"}  # deploy/decisions/0016

# Security
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", PRODUCTION)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://") or PRODUCTION
SESSION_COOKIE_NAME = f"artemis_session_{env.int('ARTEMIS_PORT', 8000)}" if not PRODUCTION else "__Host-artemis_session"
CSRF_COOKIE_NAME = f"artemis_csrf_{env.int('ARTEMIS_PORT', 8000)}" if not PRODUCTION else "__Host-artemis_csrf"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "apps.portal.views.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],
        "font-src": [csp.SELF],
        "connect-src": [csp.SELF],
        "form-action": [csp.SELF, *STRIPE_PAGES],  # a form may be answered with the way to Checkout
        "base-uri": [csp.NONE],
        "frame-ancestors": [csp.NONE],
    }
}

# Pages
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(ARTEMIS_HOME / "static")))  # an image collects them as it is built
# What is in files: file:///a/folder, which all machines must have in common (a network file system), since any gateway
# takes an upload and any gateway or worker reads it; or s3://bucket/prefix?endpoint=https://host&region=eu-central-1
# (&addressing=path where the server wants it), whose keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or from
# the machine's role.
FILES_STORAGE_URL = env.str("FILES_STORAGE_URL", f"file://{ARTEMIS_HOME}/files")
FILES_LINK_SECONDS = env.int("FILES_LINK_SECONDS", 300)  # how long a link to a file is good
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "files": file_storage(FILES_STORAGE_URL),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "artemis_site.formats"
USE_I18N = False

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.api.management.errors.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Artemis",
    "DESCRIPTION": "Inference: OpenAI's API, under /v1, with an API key. Management: keys, projects and usage of an "
    "account, under /api/v1, with the portal's session. Sums are in nano-dollars (1e-9 USD).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": PUBLIC_URL}],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.api.management.inference_schema.add_inference",
        "apps.api.management.stores_schema.add_vector_stores",
        "apps.api.management.inference_schema.add_errors",
    ],
}

# How much use, in US dollars, an account may owe of which staff have not said it; empty: any; 0: calls need credit
BILLING_CREDIT_LIMIT_USD = env.str("BILLING_CREDIT_LIMIT_USD", "")
# Days after a payment has failed: when it is asked for again, the plan's limits go, and calls are refused.
BILLING_DUNNING_DAYS = three_days(env.list("BILLING_DUNNING_DAYS", default=["3", "7", "14"]))

# What an hour of one of our own GPUs costs, in US dollars, for the staff's margins; empty: not known
ENGINE_COST_PER_GPU_HOUR_USD = env.str("ENGINE_COST_PER_GPU_HOUR_USD", "")

# The gateway
GATEWAY_MAX_BODY_BYTES = env.int("GATEWAY_MAX_BODY_BYTES", 10 * 1024 * 1024)
GATEWAY_MAX_FILE_BYTES = env.int("GATEWAY_MAX_FILE_BYTES", 100 * 1024 * 1024)
GATEWAY_MAX_ACCOUNT_FILE_BYTES = env.int("GATEWAY_MAX_ACCOUNT_FILE_BYTES", 2 * 1024**3)
# The largest document: a file that was uploaded for assistants or user_data
FILES_MAX_DOCUMENT_BYTES = env.int("FILES_MAX_DOCUMENT_BYTES", 64 * 1024 * 1024)
# What the portal takes: any form, and one with files, all of them together
PORTAL_MAX_BODY_BYTES = env.int("PORTAL_MAX_BODY_BYTES", 2 * 1024 * 1024)
PORTAL_MAX_UPLOAD_BYTES = env.int("PORTAL_MAX_UPLOAD_BYTES", 4 * FILES_MAX_DOCUMENT_BYTES)
# Pages of the web that are fetched as documents: public addresses alone, on the web's own ports, and these networks on
# any port; and how large a page may be and how long it may take, redirects and all
FILES_WEB_NETWORKS = networks(env.list("FILES_WEB_NETWORKS", default=[]), "FILES_WEB_NETWORKS")
FILES_WEB_MAX_BYTES = env.int("FILES_WEB_MAX_BYTES", 16 * 1024 * 1024)
FILES_WEB_SECONDS = env.float("FILES_WEB_SECONDS", 30)
GATEWAY_MAX_OPEN_BATCHES = env.int("GATEWAY_MAX_OPEN_BATCHES", 20)
GATEWAY_BATCH_PARALLEL = env.int("GATEWAY_BATCH_PARALLEL", 16)
KNOWLEDGE_EMBEDDING_MODEL = env.str("KNOWLEDGE_EMBEDDING_MODEL", "")  # empty: the key's first one
# The model that reranks where a search leaves it to us, how long it may take, and the one that rewrites questions where
# a search asks for that; empty: none
KNOWLEDGE_RERANK_MODEL = env.str("KNOWLEDGE_RERANK_MODEL", "")
KNOWLEDGE_RERANK_SECONDS = env.float("KNOWLEDGE_RERANK_SECONDS", 5)
KNOWLEDGE_REWRITE_MODEL = env.str("KNOWLEDGE_REWRITE_MODEL", "")
KNOWLEDGE_MAX_STORES = env.int("KNOWLEDGE_MAX_STORES", 100)  # of an account
KNOWLEDGE_MAX_DOCUMENTS = env.int("KNOWLEDGE_MAX_DOCUMENTS", 10_000)  # of a store
KNOWLEDGE_PARALLEL = env.int("KNOWLEDGE_PARALLEL", 4)  # documents of an account that are read at once
KNOWLEDGE_INDEX_FROM = env.int("KNOWLEDGE_INDEX_FROM", 10_000)  # passages: a store of more has an index of its own
KNOWLEDGE_EXPIRED_DAYS = env.int("KNOWLEDGE_EXPIRED_DAYS", 7)  # until an expired store is deleted
GATEWAY_BODY_SECONDS = env.float("GATEWAY_BODY_SECONDS", 60)
GATEWAY_DEFAULT_RPM = env.int("GATEWAY_DEFAULT_RPM", 600)
GATEWAY_DEFAULT_TPM = env.int("GATEWAY_DEFAULT_TPM", 1_000_000)
# How long a hold outlives a gateway that was killed; with the sweep that follows, within two minutes
GATEWAY_HOLD_LEASE_SECONDS = env.int("GATEWAY_HOLD_LEASE_SECONDS", 90)
# Of each limit and budget, what one gateway process may give out by itself while Redis is away
GATEWAY_REDIS_AWAY_SHARE = env.float("GATEWAY_REDIS_AWAY_SHARE", 0.1)
GATEWAY_DEFAULT_PARALLEL = env.int("GATEWAY_DEFAULT_PARALLEL", 64)
# Different JSON schemas, or sets of tools, of one account: engines keep what they compile of each
GATEWAY_NEW_SCHEMAS_PER_HOUR = env.int("GATEWAY_NEW_SCHEMAS_PER_HOUR", 200)

# Webhooks of budgets go to public addresses alone; a development platform may call its own machine, too
ALERTS_ALLOW_PRIVATE_ADDRESSES = env.bool("ALERTS_ALLOW_PRIVATE_ADDRESSES", not PRODUCTION)
# A month's alert must outlive its month, or it is told again.
ALERTS_KEEP_DAYS = max(32, env.int("ALERTS_KEEP_DAYS", 90))
# How long an account may have its prompts logged; 0: none may.
PROMPT_LOG_MAX_DAYS = max(0, env.int("PROMPT_LOG_MAX_DAYS", 30))

# Kept responses of an account: past either, the oldest go first.
RESPONSES_MOST_KEPT = env.int("RESPONSES_MOST_KEPT", 100_000)
RESPONSES_MOST_KEPT_BYTES = env.int("RESPONSES_MOST_KEPT_BYTES", 2 * 1024**3)
# Responses in the background: how many are made at once, of all accounts, and how many of one account may wait.
RESPONSES_BACKGROUND_PARALLEL = env.int("RESPONSES_BACKGROUND_PARALLEL", 16)
RESPONSES_MOST_WAITING = env.int("RESPONSES_MOST_WAITING", 1000)

# Prometheus: /metrics answers these networks, and whoever has the token; everybody else is told that it is not there
METRICS_NETWORKS = networks(env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"]), "METRICS_NETWORKS")
# Where workers are told to keep their numbers (their PROMETHEUS_MULTIPROC_DIR); /metrics adds them to the gateway's.
WORKER_METRICS_DIR = Path(env.str("WORKER_METRICS_DIR", str(ARTEMIS_HOME / "metrics-worker")))
# In Kubernetes a worker tells its own; 0: it does not, and a gateway of the same machine tells them.
WORKER_METRICS_PORT = env.int("WORKER_METRICS_PORT", 0)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

# One JSON object a line where machines read it, text where people do
LOG_FORMAT = env.str("LOG_FORMAT", "json" if PRODUCTION else "text")
LOGGING = logging_settings(LOG_FORMAT, env.str("LOG_LEVEL", "INFO"))
LOGGING_CONFIG = "apps.common.logs.lines.configure"
