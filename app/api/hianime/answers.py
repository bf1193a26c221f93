"""Shared parts of the HiAnime routes: rate limit, failures, response schema."""

from typing import Any

from pydantic import BaseModel

from app.api.conditional import CACHED
from app.api.openapi.failures import failures
from app.errors import Invalid, NotFound, RateLimited, UpstreamDisabled, UpstreamError, UpstreamRefused
from app.utils.redis.quotas import Quota

READS = Quota("hianime", 600, 60)
RESPONSES = CACHED | failures(
    Invalid, NotFound, RateLimited, UpstreamRefused, UpstreamError, UpstreamDisabled
)


class PassedOnOut(BaseModel):
    """``data`` is the upstream's, unchanged."""

    data: Any
