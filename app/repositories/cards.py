"""A title as it stands in lists of titles."""

from typing import Any

from sqlalchemy import Row

from app.schemas.domain.watching import AnimeCard

CARD = """
    a.id as card_id, a.mal_id as card_mal_id, a.title as card_title, a.image_url as card_image_url,
    a.score as card_score, a.episodes as card_episodes
"""


def card_of(row: Row[Any]) -> AnimeCard:
    """The title of a row that has the columns of :data:`CARD`."""
    return AnimeCard(
        id=row.card_id,
        mal_id=row.card_mal_id,
        title=row.card_title,
        image_url=row.card_image_url,
        score=row.card_score,
        episodes=row.card_episodes,
    )
