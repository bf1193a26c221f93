"""Recommendations: served from models that are fitted from everybody's lists."""

from app.services.recommendations.refits import RefitService
from app.services.recommendations.serving import RecommendationService

__all__ = ["RecommendationService", "RefitService"]
