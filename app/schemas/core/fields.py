"""Field types that several bodies share."""

import unicodedata
from typing import Annotated

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.utils.cleaning import is_storable

# A home network has addresses too; the package offers this list to be changed.
SPECIAL_USE_DOMAIN_NAMES.clear()


class Body(BaseModel):
    """What a client sends: exact types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("has characters that cannot be stored")
    return text


def _email(text: str) -> str:
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


def _username(name: str) -> str:
    if name.lower() == "me":
        raise ValueError("is reserved")
    return name


def one_line(text: str) -> str:
    return " ".join(_storable(text).split())


Email = Annotated[str, Field(max_length=320, examples=["mio@example.org"]), AfterValidator(_email)]
Username = Annotated[
    str, Field(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$"), AfterValidator(_username)
]
NewPassword = Annotated[str, Field(min_length=8, max_length=128)]
GivenPassword = Annotated[str, Field(min_length=1, max_length=1024)]
FullName = Annotated[str, Field(max_length=100), AfterValidator(one_line)]
