"""SQL of recommendations: by model, by genres, similar titles, and the training data."""

from app.repositories.recommendations.fits import FitReads, FitRepository, TitleFacts
from app.repositories.recommendations.genres import GenreRecommendations
from app.repositories.recommendations.ignored import IgnoredRepository
from app.repositories.recommendations.serving import ServingRepository, UserList
from app.repositories.recommendations.similar import SimilarRepository

__all__ = [
    "FitReads",
    "FitRepository",
    "GenreRecommendations",
    "IgnoredRepository",
    "ServingRepository",
    "SimilarRepository",
    "TitleFacts",
    "UserList",
]
