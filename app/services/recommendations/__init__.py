"""Recommendations, served from models that are trained on the lists of all users."""

from app.services.recommendations.refits import RefitService
from app.services.recommendations.serving import RecommendationService

__all__ = ["RecommendationService", "RefitService"]
