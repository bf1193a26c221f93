"""Covers in three sizes, the same object whatever the source."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0940"
down_revision: str | None = "20261128_0931"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# The same as sizes_of in app/schemas/domain/pictures.py.
_FUNCTION = r"""
create function picture_sizes(url text) returns jsonb language sql immutable parallel safe as $$
    select case
        when mal is not null then jsonb_build_object(
            'small', mal[1] || mal[2] || 't' || mal[3], 'medium', mal[1] || mal[2] || mal[3],
            'large', mal[1] || mal[2] || 'l' || mal[3], 'color', null)
        when anilist is not null then jsonb_build_object(
            'small', anilist[1] || 'small' || anilist[2], 'medium', anilist[1] || 'medium' || anilist[2],
            'large', anilist[1] || 'large' || anilist[2], 'color', null)
        else '{"small": null, "medium": null, "large": null, "color": null}' end
    from (
        select regexp_match(url, '^(https?://(?:cdn\.myanimelist\.net|myanimelist\.cdn-dena\.com))(?:/r/\d+x\d+)?'
                                 '(/images/(?:anime|manga)/\d+/\d+)[tlv]?(\.\w+)(?:\?.*)?$') as mal,
               regexp_match(url, '^(https?://\w+\.anilist\.co/(?:file/anilistcdn/)?media/(?:anime|manga)/cover/)'
                                 '(?:small|medium|large)(/[\w.-]+)(?:\?.*)?$') as anilist
    ) found
$$
"""
_SIZES = """
    update anime set images = case
        when jsonb_typeof(images -> 'jpg') = 'object' or jsonb_typeof(images -> 'webp') = 'object' then
            (select jsonb_object_agg(ours, coalesce(nullif(images #> array['jpg', theirs], 'null'),
                                                    nullif(images #> array['webp', theirs], 'null'),
                                                    picture_sizes(image_url) -> ours))
             from (values ('small', 'small_image_url'), ('medium', 'image_url'),
                          ('large', 'large_image_url')) as sizes (ours, theirs))
            || '{"color": null}'
        else picture_sizes(image_url) end
    where image_url is not null or images is not null
"""
_FORMATS = """
    update anime set images = jsonb_build_object('jpg', jsonb_build_object(
        'image_url', images -> 'medium', 'small_image_url', images -> 'small',
        'large_image_url', images -> 'large'))
    where images is not null
"""


def upgrade() -> None:
    op.execute(sa.text(_FUNCTION.replace(":", r"\:")))
    op.execute(_SIZES)


def downgrade() -> None:
    op.execute(_FORMATS)
    op.execute("drop function picture_sizes(text)")
