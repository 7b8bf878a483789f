"""One form for every line that a process logs, ours, Django's, gunicorn's and Celery's alike: JSON, or text to read.

A record's extras stay out of it but for the status of an answer: Django puts requests there, Celery a task's arguments.
Tracebacks are text, without the values of variables, which may be prompts.
"""

import logging.config
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from apps.common.logs.context import known
from apps.common.logs.redaction import redacted

FORMS = ("json", "text")
FIRST = ("timestamp", "level", "logger", "message")


def configure(settings: dict[str, Any]) -> None:
    """In place of Django's own configuration, which would print and mail, and then of ours."""
    logging.config.dictConfig(settings)


def logging_settings(form: str, level: str) -> dict[str, Any]:
    """For `configure`. Raises ValueError for a form that is none of FORMS."""
    if form not in FORMS:
        raise ValueError(f"LOG_FORMAT: {form!r} is none of {', '.join(FORMS)}.")
    ours = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.ExtraAdder(allow=["status_code"]),
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    _in_context,
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.StackInfoRenderer(),
                    structlog.processors.format_exc_info,
                    structlog.processors.EventRenamer("message"),
                    _without_secrets,
                    structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else _as_text,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # They bring handlers of their own, which this takes the place of.
            "gunicorn.error": {**ours, "level": "INFO"},
            "uvicorn.error": {**ours, "level": "INFO"},
            "LiteLLM": {"level": "WARNING"},
            "LiteLLM Router": {"level": "ERROR"},
            "psycopg.pool": {"level": "ERROR"},
            "stripe": {"level": "WARNING"},  # it tells of each request
            "opentelemetry": {"level": "ERROR"},  # it warns of each try at a collector that is away
        },
    }


def _in_context(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    line.update(known())
    return line


def _without_secrets(logger: WrappedLogger, method: str, line: EventDict) -> Mapping[str, Any]:
    ordered = {name: line[name] for name in (*FIRST, *line) if name in line}
    return {name: redacted(value) if isinstance(value, str) else value for name, value in ordered.items()}


def _as_text(logger: WrappedLogger, method: str, line: EventDict) -> str:
    """For a person: time, level, who, what, and of which request."""
    about = " ".join(str(line[name]) for name in ("request_id", "task") if name in line)
    head = f"{line['timestamp']} {line['level'].upper()} {line['logger']} {line['message']}"
    tail = [line[name] for name in ("exception", "stack") if name in line]
    return "\n".join([f"{head} [{about}]" if about else head, *tail])
