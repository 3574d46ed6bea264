"""All settings, read from the environment, in titled sections."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp import constants as csp
from django.core.exceptions import ImproperlyConfigured

from vmmanager import server
from vmmanager.clouds_url import parse_clouds
from vmmanager.data_dir import prepare, private_file
from vmmanager.environment import Environment
from vmmanager.logs import configure as configure_logs
from vmmanager.openapi import SETTINGS as SPECTACULAR_SETTINGS  # noqa: F401  # a setting
from vmmanager.rest import SETTINGS as REST_SETTINGS
from vmmanager.secret_key import check_secret_key, development_secret

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Mode -------------------------------------------------------------------
# Closed unless opened: manage.py turns DEBUG on for development, servers do not.

DEBUG: bool = env.bool("DEBUG", default=False)

# --- Where state lives -------------------------------------------------------

DATA_DIR = prepare(Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve())

# --- Security ----------------------------------------------------------------

LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]

if DEBUG:
    SECRET_KEY: str = env.str("SECRET_KEY", default="") or development_secret(
        DATA_DIR / "secret_key"
    )
    ALLOWED_HOSTS: list[str] = [*env.list("ALLOWED_HOSTS", default=[]), *LOOPBACK]
else:
    SECRET_KEY = check_secret_key(env.str("SECRET_KEY", default=""))
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS must name the hosts this service answers for when DEBUG=false"
        )
    # The health probe of a container asks from inside it.
    ALLOWED_HOSTS += LOOPBACK

# Keys that SECRET_KEY had before, separated by commas: what was made with them is valid
# until they are taken out.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^health(/|$)"]  # probes speak plain HTTP
if env.bool("TRUST_PROXY_HEADERS", default=False):
    # Only behind a proxy that sets this header itself: a client could forge it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS: int = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS: bool = env.bool(
    "SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True
)
SECURE_HSTS_PRELOAD: bool = env.bool("SECURE_HSTS_PRELOAD", default=True)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would log out who follows a link to a VM
CSRF_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_HTTPONLY = True  # pages carry the token themselves
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "compute.admin.console.refusals.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Nothing but our own files, and no script inside a page: an injected one does not run.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],  # the icons in Swagger UI's stylesheet
        "font-src": [csp.SELF],
        "connect-src": [csp.SELF],
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}
# Bytes. A body of JSON takes up to 28 times of that in memory while it is read, in every
# thread at once; the largest user_data there can be needs a quarter of it.
DATA_UPLOAD_MAX_MEMORY_SIZE: int = env.int(
    "DATA_UPLOAD_MAX_MEMORY_SIZE", default=262_144
)
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE  # a body is never on disk
FILE_UPLOAD_HANDLERS: list[str] = []  # nothing takes files
# How long a body may take to arrive under ASGI; WSGI cannot tell (compute.api.http.intake).
BODY_TIMEOUT_SECONDS: float = env.float("BODY_TIMEOUT_SECONDS", default=10.0)

# --- Applications ------------------------------------------------------------

INSTALLED_APPS = [
    "compute.apps.ComputeConfig",  # before staticfiles, which has a runserver too
    "compute.apps.ConsoleConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "vmmanager.request_id.RequestIDMiddleware",  # first, so that every answer has an id
    "vmmanager.caching.CachingMiddleware",  # early, so that every answer says who keeps it
    "vmmanager.doors.DoorsMiddleware",  # what follows is for browsers alone
    "csp.middleware.CSPMiddleware",  # early, so that every page has its policy
    "compute.api.http.middleware.ProblemMiddleware",  # sees every error page of the others
    "django.middleware.security.SecurityMiddleware",
    "vmmanager.static.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "compute.api.http.middleware.NobodyMiddleware",  # before the check that it leaves out
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "compute.admin.console.login.BrowserLoginMiddleware",  # right behind it: ends what was revoked
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "vmmanager.urls"
WSGI_APPLICATION = "vmmanager.wsgi.application"
ASGI_APPLICATION = "vmmanager.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Users -------------------------------------------------------------------

AUTH_USER_MODEL = "compute.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# A token of a login lives minutes; API tokens are for programs.
SIMPLE_JWT: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    # Seconds that the clock of the process that issued a token may be ahead.
    "LEEWAY": 30,
}
BROWSER_LOGIN_SECONDS = SESSION_COOKIE_AGE = 12 * 3600

# --- Database ----------------------------------------------------------------

DATABASE: dict[str, Any] = env.db_url(
    "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}"
)
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    private_file(Path(DATABASE["NAME"]))
    # Web threads and worker threads write at once. WAL lets readers go on; IMMEDIATE
    # takes the write lock at BEGIN, where SQLite waits for it (timeout), because a lock
    # upgrade in mid-transaction fails at once.
    DATABASE["OPTIONS"] = {
        "timeout": 20,
        # Of each thread; 128, the default, were 14 MB more in four of them.
        "cached_statements": 32,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASE["CONN_HEALTH_CHECKS"] = True
# Under ASGI each request has a thread of its own, and with it a connection that nobody
# would use again; servers with a fixed number of threads set this.
DATABASE["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=0)
# Whatever it does at once, a process has no more connections to PostgreSQL: compose.yaml
# counts them. Who finds none free within seconds is refused as if the database were away,
# so there are as many as a worker has threads, and a few. 0: one for each thread.
DATABASE_POOL_SIZE: int = env.int("DATABASE_POOL_SIZE", default=20)
if DATABASE["ENGINE"] == "django.db.backends.postgresql":
    DATABASE["OPTIONS"] = {
        "connect_timeout": 3,
        "tcp_user_timeout": 10_000,  # ms: a server that is gone without a word
        # Times that a connection is asked the same before it keeps the plan.
        "prepare_threshold": 5 if env.bool("DATABASE_PREPARE", default=True) else None,
        **DATABASE.get("OPTIONS", {}),
    }
    if DATABASE_POOL_SIZE:
        DATABASE |= {
            "ENGINE": "vmmanager.postgresql",
            # The pool keeps and checks them.
            "CONN_MAX_AGE": 0,
            "CONN_HEALTH_CHECKS": False,
        }
        DATABASE["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": 0.25,  # of one look; see vmmanager.postgresql
            # Pauses between attempts double: given up and begun again they stay short.
            "reconnect_timeout": 2,
            "max_idle": 60,
        }
DATABASES = {"default": DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache -------------------------------------------------------------------

CACHE_URL: str = env.str("CACHE_URL", default="locmemcache://")
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

# --- Work outside the request ------------------------------------------------

# Empty: the worker is embedded in runserver and needs no broker.
CELERY_BROKER_URL: str = env.broker_url("CELERY_BROKER_URL")

OPERATION_LEASE_SECONDS: float = env.float("OPERATION_LEASE_SECONDS", default=30.0)
OPERATION_DEADLINE_SECONDS: int = env.int("OPERATION_DEADLINE_SECONDS", default=1800)
SWEEP_INTERVAL_SECONDS: float = env.float("SWEEP_INTERVAL_SECONDS", default=5.0)
OPERATION_RETRY_SECONDS: float = env.float("OPERATION_RETRY_SECONDS", default=1.0)

# --- Clouds ------------------------------------------------------------------

PROVIDERS = parse_clouds(
    env.str("CLOUDS", default="default=mock://"), data_dir=DATA_DIR
)

OBSERVE_INTERVAL_LIVE_SECONDS: float = env.float(
    "OBSERVE_INTERVAL_LIVE_SECONDS", default=0.25
)
OBSERVE_INTERVAL_IDLE_SECONDS: float = env.float(
    "OBSERVE_INTERVAL_IDLE_SECONDS", default=30.0
)
OBSERVE_FULL_INTERVAL_SECONDS: float = env.float(
    "OBSERVE_FULL_INTERVAL_SECONDS", default=300.0
)
CATALOG_INTERVAL_SECONDS: float = env.float("CATALOG_INTERVAL_SECONDS", default=300.0)

# --- Projects ----------------------------------------------------------------

# What a new project may have; a resource that is not named is not limited. The
# default project, which migrate makes, has no limits.
DEFAULT_QUOTAS: dict[str, int] = env.numbers(
    "DEFAULT_QUOTAS",
    default={
        "vms": 10,
        "vcpus": 20,
        "ram_mb": 51_200,
        "disk_gb": 1_000,
        "snapshots": 20,
        "keypairs": 100,
        "networks": 10,
        "subnets": 20,
        "routers": 5,
        "floating_ips": 10,
        "security_groups": 20,
        "security_group_rules": 200,
        "webhooks": 10,
    },
)

# --- Events -------------------------------------------------------------------

# How long the log keeps an event; 0: indefinitely. PostgreSQL lets nothing younger
# than 30 days be removed.
EVENT_RETENTION_DAYS: int = env.int("EVENT_RETENTION_DAYS", default=400)
if 0 < EVENT_RETENTION_DAYS < 30:
    raise ImproperlyConfigured("EVENT_RETENTION_DAYS must be 0 or at least 30")
# How far back the log can be followed: who was away for longer lists again.
EVENT_STREAM_DAYS: int = env.int("EVENT_STREAM_DAYS", default=7)
if EVENT_STREAM_DAYS < 1:
    raise ImproperlyConfigured("EVENT_STREAM_DAYS must be at least 1")

# Streams that one process has open at once; half of them for one user at most.
STREAM_MAX_CONNECTIONS: int = env.int("STREAM_MAX_CONNECTIONS", default=2000)
# Serve event streams, and health, and nothing else: long-lived connections have a
# process of their own.
STREAMS_ONLY: bool = env.bool("STREAMS_ONLY", default=False)

# --- Webhooks ------------------------------------------------------------------

# Receivers have public addresses, and HTTPS. Networks of one's own are named here; what
# is never called, such as the metadata service of a cloud, cannot be.
WEBHOOK_ALLOW_HTTP: bool = env.bool("WEBHOOK_ALLOW_HTTP", default=DEBUG)
WEBHOOK_ALLOWED_NETWORKS = env.networks(
    "WEBHOOK_ALLOWED_NETWORKS", default="127.0.0.0/8,::1/128" if DEBUG else ""
)
# Not to be set: what listens on a server's loopback takes who connects for the server.
WEBHOOK_ALLOW_LOOPBACK = DEBUG

# --- HTTP API ----------------------------------------------------------------

API_DEFAULT_WAIT_SECONDS: int = env.int("API_DEFAULT_WAIT_SECONDS", default=0)
API_MAX_WAIT_SECONDS: int = env.int("API_MAX_WAIT_SECONDS", default=30)

# What waits holds a thread: a request for the end of its operation, a console log for its
# cloud, or (under WSGI) for a body that is sent slowly. Together they may
# take only some of the server's threads, so that others are left for all other requests.
# None: each request has a thread of its own, and only memory bounds them.
SERVER_THREADS = server.threads()
_threads = SERVER_THREADS or 64
MAX_BODY_READERS = max(1, min(3, _threads // 5))
_kept = MAX_BODY_READERS + 1
API_MAX_CLOUD_READS: int = env.int(
    "API_MAX_CLOUD_READS", default=min(16, max(1, _threads // 4))
)
API_MAX_WAITERS: int = env.int(
    "API_MAX_WAITERS",
    default=max(0, min(32, _threads // 2, _threads - _kept - API_MAX_CLOUD_READS)),
)
# Under ASGI those wait without a thread, and take memory alone.
API_MAX_PARKED_WAITERS: int = env.int("API_MAX_PARKED_WAITERS", default=2000)
if SERVER_THREADS and API_MAX_WAITERS + API_MAX_CLOUD_READS + _kept > SERVER_THREADS:
    raise ImproperlyConfigured(
        f"API_MAX_WAITERS ({API_MAX_WAITERS}) and API_MAX_CLOUD_READS "
        f"({API_MAX_CLOUD_READS}) must leave {_kept} of {SERVER_THREADS} threads free"
    )

#: Passwords that a process compares at once: each takes a core, and a connection.
MAX_PASSWORD_CHECKS = 4

# Requests per seconds and principal: for all but these two, for asking how operations
# stand, and for logging in (by address).
RATE_LIMITS: dict[str, str] = {
    "default": env.rate("RATE_LIMIT", default="120/60 second"),
    "poll": env.rate("RATE_LIMIT_POLL", default="600/60 second"),
    "auth": env.rate("RATE_LIMIT_AUTH", default="10/60 second"),
}
# Shared by all processes if the cache is; else each process counts for itself.
RATE_LIMIT_STORE: str = (
    CACHE_URL if CACHE_URL.startswith(("redis:", "rediss:")) else "memory://"
)

REST_FRAMEWORK: dict[str, Any] = {
    **REST_SETTINGS,
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
}

# --- Language and time -------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "vmmanager.formats"

# --- Static files ------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# In development files are found where they lie, without collectstatic.
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# --- Logs --------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logging.getLevelNamesMapping():
    raise ImproperlyConfigured("LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL")
LOG_FORMAT: str = env.str("LOG_FORMAT", default="console" if DEBUG else "json")
if LOG_FORMAT not in {"console", "json"}:
    raise ImproperlyConfigured("LOG_FORMAT is console or json")
LOGGING = configure_logs(level=LOG_LEVEL, log_format=LOG_FORMAT)
