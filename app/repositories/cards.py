"""The short form of a title that lists of titles contain."""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row

from app.schemas.domain.watching import AnimeCard

CARD = """
    a.id as card_id, a.mal_id as card_mal_id, a.title as card_title, a.image_url as card_image_url,
    a.score as card_score, a.episodes as card_episodes, a.title_english as card_title_english,
    a.title_russian as card_title_russian, a.title_japanese as card_title_japanese
"""


def card_of(row: Row[Any] | SimpleNamespace) -> AnimeCard:
    """Build the short form from a row with the columns of :data:`CARD`."""
    return AnimeCard(
        id=row.card_id,
        mal_id=row.card_mal_id,
        title=row.card_title,
        image_url=row.card_image_url,
        score=row.card_score,
        episodes=row.card_episodes,
        title_english=row.card_title_english,
        title_russian=row.card_title_russian,
        title_japanese=row.card_title_japanese,
    )
