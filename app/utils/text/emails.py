"""Validation and normalisation of e-mail addresses."""

import unicodedata

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# Self-hosted installations use domains such as .local; the package documents changing this list.
SPECIAL_USE_DOMAIN_NAMES.clear()


LONGEST = 320  # characters: 64 before the @ and 255 after it


def normal_email(text: str) -> str:
    """The normalised address to store; raises :class:`ValueError` if it is not valid."""
    if len(text) > LONGEST:  # parsing takes time that grows with the length
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
