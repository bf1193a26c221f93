"""Health as clients of the HiAnime surface read it."""

from typing import Literal

from pydantic import BaseModel


class UpAndRunningOut(BaseModel):
    """``hianime`` is ``unknown`` while the first look at it takes longer than a second."""

    status: Literal["up and running"] = "up and running"
    hianime: Literal["disabled", "up", "down", "unknown"]
