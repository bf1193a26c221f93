"""E-mail addresses: one spelling of each, whichever keyboard wrote it."""

import unicodedata

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# A home network has addresses too; the package offers this list to be changed.
SPECIAL_USE_DOMAIN_NAMES.clear()


LONGEST = 320  # characters; 64 before the @ and 255 after it


def normal_email(text: str) -> str:
    """The address as it is stored; raises :class:`ValueError` for what is none."""
    if len(text) > LONGEST:  # what takes time to read is not begun
        raise ValueError("is not an e-mail address")
    try:
        found = validate_email(
            unicodedata.normalize("NFKC", text).strip(),
            strict=True,
            check_deliverability=False,
            globally_deliverable=False,
        )
    except EmailNotValidError:
        raise ValueError("is not an e-mail address") from None
    if "." not in found.domain:
        raise ValueError("is not an e-mail address")
    return found.normalized
