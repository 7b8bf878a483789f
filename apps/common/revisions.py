"""Tells every gateway at once that a key, an account or the catalog changed.

Redis holds the revision that is now true of each (`art:rev:key:<public id>`, `art:rev:account:<id>`,
`art:rev:catalog`). The gateway's admission, an atomic call to Redis anyway, compares it with the revision of the
facts that it holds in memory, so that after a change the very next request sees it. Where Redis knows no revision,
the gateway reads PostgreSQL and publishes what it read. A revision only ever rises: one who read before a change
and publishes after it cannot bring the old facts back.
"""

import logging
from collections.abc import Mapping

import redis

from apps.common.redis import sync_redis

logger = logging.getLogger(__name__)

CATALOG = "art:rev:catalog"
RAISE_REVISIONS = """
for i, name in ipairs(KEYS) do
  local now = redis.call('GET', name)
  if not now or tonumber(now) < tonumber(ARGV[i]) then redis.call('SET', name, ARGV[i]) end
end
"""
# Sets each revision that is still what ARGV's first half says it was to what the second half says.
OVERRULE_REVISIONS = """
for i, name in ipairs(KEYS) do
  if (redis.call('GET', name) or '') == ARGV[i] then redis.call('SET', name, ARGV[#KEYS + i]) end
end
"""


def key_revision(public_id: str) -> str:
    return f"art:rev:key:{public_id}"


def account_revision(account_id: int) -> str:
    return f"art:rev:account:{account_id}"


def publish(revisions: Mapping[str, int]) -> None:
    """Raises the revisions, after the commit that made them.

    Where Redis is away the change itself stands: gateways then read PostgreSQL when their facts are a minute old.
    """
    if not revisions:
        return
    try:
        sync_redis().eval(RAISE_REVISIONS, len(revisions), *revisions, *map(str, revisions.values()))
    except redis.RedisError:
        logger.exception("Redis is away: %d changed revisions were not published", len(revisions))
