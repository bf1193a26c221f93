"""The job that trains the recommendations."""

from functools import partial

from app.container import Container
from app.schemas.jobs import FitRecommendations
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(FitRecommendations)
async def fit_recommendations(_: FitRecommendations, services: Container, run: JobRun) -> None:
    await services.recommendations.refits.run(partial(run.transaction, finish=True))
