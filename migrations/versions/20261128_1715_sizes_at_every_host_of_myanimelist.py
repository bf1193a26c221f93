"""Cover sizes for the other hosts that serve MyAnimeList's images."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_1715"
down_revision: str | None = "20261128_1402"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# The same as sizes_of in app/schemas/domain/pictures.py.
_FUNCTION = r"""
create or replace function picture_sizes(url text) returns jsonb language sql immutable parallel safe as $$
    select case
        when mal is not null then jsonb_build_object(
            'small', mal[1] || mal[2] || 't' || mal[3], 'medium', mal[1] || mal[2] || mal[3],
            'large', mal[1] || mal[2] || 'l' || mal[3], 'color', null)
        when anilist is not null then jsonb_build_object(
            'small', anilist[1] || 'small' || anilist[2], 'medium', anilist[1] || 'medium' || anilist[2],
            'large', anilist[1] || 'large' || anilist[2], 'color', null)
        else '{"small": null, "medium": null, "large": null, "color": null}' end
    from (
        select regexp_match(url, '^(https?://HOSTS)(?:/r/\d+x\d+)?'
                                 '(/images/(?:anime|manga)/\d+/\d+)[tlv]?(\.\w+)(?:\?.*)?$') as mal,
               regexp_match(url, '^(https?://\w+\.anilist\.co/(?:file/anilistcdn/)?media/(?:anime|manga)/cover/)'
                                 '(?:small|medium|large)(/[\w.-]+)(?:\?.*)?$') as anilist
    ) found
$$
"""
_HOSTS = r"(?:(?:(?:api-)?cdn\.|www\.)?myanimelist\.net|myanimelist\.cdn-dena\.com)"
_OLD_HOSTS = r"(?:cdn\.myanimelist\.net|myanimelist\.cdn-dena\.com)"
# Rows without a size are not changed.
_FILL = r"""
    update anime set images = picture_sizes(image_url)
    where image_url ~ '^https?://((api-cdn|www)\.)?myanimelist\.net/' and images is null
      and picture_sizes(image_url) ->> 'medium' is not null
"""


def _define(hosts: str) -> None:
    op.execute(sa.text(_FUNCTION.replace("HOSTS", hosts).replace(":", r"\:")))


def upgrade() -> None:
    _define(_HOSTS)
    op.execute(sa.text(_FILL.replace(":", r"\:")))


def downgrade() -> None:
    _define(_OLD_HOSTS)  # the derived sizes stay: they are right, and a sync states them too
