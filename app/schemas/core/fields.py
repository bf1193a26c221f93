"""Field types shared by several request bodies."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.utils.text.cleaning import is_storable
from app.utils.text.emails import normal_email


class Body(BaseModel):
    """A request body: exact types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("contains characters that cannot be stored")
    return text


def _username(name: str) -> str:
    if name.lower() == "me":
        raise ValueError("is reserved")
    return name


def one_line(text: str) -> str:
    return " ".join(_storable(text).split())


Email = Annotated[str, Field(max_length=320, examples=["mio@example.org"]), AfterValidator(normal_email)]
Username = Annotated[
    str, Field(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$"), AfterValidator(_username)
]
NewPassword = Annotated[str, Field(min_length=8, max_length=128)]
GivenPassword = Annotated[str, Field(min_length=1, max_length=1024)]
# A name must not consist of white space only.
FullName = Annotated[str, Field(max_length=100), AfterValidator(lambda name: one_line(name) or None)]
