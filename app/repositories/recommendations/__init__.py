"""SQL of recommendations: by model, by genres; similar titles; what models are fitted from."""

from app.repositories.recommendations.fits import FitReads, FitRepository, TitleFacts
from app.repositories.recommendations.genres import GenreRecommendations
from app.repositories.recommendations.ignored import IgnoredRepository
from app.repositories.recommendations.serving import PersonsList, ServingRepository
from app.repositories.recommendations.similar import SimilarRepository

__all__ = [
    "FitReads",
    "FitRepository",
    "GenreRecommendations",
    "IgnoredRepository",
    "PersonsList",
    "ServingRepository",
    "SimilarRepository",
    "TitleFacts",
]
