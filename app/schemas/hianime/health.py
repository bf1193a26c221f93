"""The health schema of the HiAnime surface."""

from typing import Literal

from pydantic import BaseModel


class UpAndRunningOut(BaseModel):
    """``hianime`` is ``unknown`` while the first check takes longer than a second."""

    status: Literal["up and running"] = "up and running"
    hianime: Literal["disabled", "up", "down", "unknown"]
