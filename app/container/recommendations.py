"""The recommendation services: serving and training."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.services.recommendations import RecommendationService, RefitService


@dataclass(frozen=True)
class RecommendationServices:
    served: RecommendationService
    refits: RefitService


@asynccontextmanager
async def build_recommendations(base: Foundation) -> AsyncIterator[RecommendationServices]:
    yield RecommendationServices(served=RecommendationService(base.db), refits=RefitService(base.db))
