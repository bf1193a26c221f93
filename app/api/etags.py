"""Strong ``ETag``s of bytes, and what ``If-None-Match`` says of them."""

import re
from hashlib import sha256

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(*parts: bytes) -> str:
    digest = sha256()  # which processors have an instruction for
    for part in parts:
        digest.update(part)
    return f'"{digest.hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether the client has this version already; weak tags count, as RFC 9110 has it for GET."""
    sent = if_none_match.strip()
    return sent in (etag, "*") or etag in _TAG.findall(sent)
