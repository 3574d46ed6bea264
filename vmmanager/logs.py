"""Logging: structlog in front, the standard library behind, one line per fact."""

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

from compute.database import is_away

# What every line gets, whether written through structlog or through logging.
SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]

PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]

#: At DEBUG these write whole requests, answers and SQL parameters: passwords, tokens,
#: user_data. What went wrong they say above it.
WIRETAPS = (
    "django.db.backends",
    "keystoneauth",
    "keystoneauth1",
    "openstack",
    "urllib3",
)


def shorten(record: logging.LogRecord) -> bool:
    """Leave the traceback out of a line about a database that is away: one is enough."""
    error = record.exc_info and record.exc_info[1]
    if error is not None and is_away(error):
        record.exc_info = None
    return True


def _dumps(line: EventDict, **_: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [
            # Without the frames' locals: they hold passwords and user_data.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


def configure(*, level: str, log_format: str) -> dict[str, Any]:
    """Configure structlog and return the LOGGING setting that renders its lines."""
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structlog": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    *SHARED,
                    structlog.stdlib.PositionalArgumentsFormatter(),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_renderers(log_format),
                ],
            },
        },
        "filters": {"short": {"()": lambda: shorten}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "structlog"},
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Their own handlers would write each line a second time.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # vmmanager.requests writes the one line per request, with its id.
            "django.channels.server": {"level": "CRITICAL"},
            "django.request": {"level": "ERROR", "filters": ["short"]},
            # At INFO it tells of every connection it lends.
            "psycopg.pool": {"level": "WARNING"},
            # A line for every tick of the beat says nothing.
            "celery.beat": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING", "filters": ["short"]},
            "celery.worker.strategy": {"level": "WARNING"},
            "daphne": {"level": "WARNING"},
            # It has handlers of its own, and says of each WebSocket that it is open.
            "uvicorn": {"handlers": [], "level": level, "propagate": True},
            "uvicorn.error": {"level": "WARNING"},
            # Its line per request has the query, and with it a ticket.
            "uvicorn.access": {"level": "WARNING"},
            # Whatever LOG_LEVEL is.
            **{name: {"level": "WARNING"} for name in WIRETAPS},
        },
    }
