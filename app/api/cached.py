"""Answers that may have come from a cache: they say so, say how old they are, and can be 304."""

from hashlib import blake2b

from fastapi import Request, Response

from app.schemas.domain.cached import CachedAnswer


def respond_cached(request: Request, answer: CachedAnswer) -> Response:
    """The answer, or 304 when the client has it already. Both tell ``X-Cache`` and ``Age``."""
    headers = {
        "ETag": f'"{blake2b(answer.body, digest_size=16).hexdigest()}"',
        "Cache-Control": "no-cache",  # whoever keeps it asks again, so these two stay true
        "X-Cache": answer.state,
    }
    if answer.age is not None:
        headers["Age"] = str(answer.age)
    if _known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type="application/json")


def _known(request: Request, etag: str) -> bool:
    sent = ",".join(request.headers.getlist("if-none-match"))
    tags = [tag.strip().removeprefix("W/") for tag in sent.split(",")]
    return "*" in tags or etag in tags
