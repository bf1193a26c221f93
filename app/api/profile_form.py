"""A profile change, as JSON or as a form with a file."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from app.api.access import FORM_OVERHEAD
from app.errors import Invalid, UnsupportedMedia
from app.schemas.core.users import ProfilePatch
from app.services.accounts.avatars import LARGEST
from app.services.accounts.users import ProfileChange

AVATAR_FORM = LARGEST + FORM_OVERHEAD  # bytes

_SCHEMA = ProfilePatch.model_json_schema(ref_template="#/components/schemas/{model}")
_AVATAR = {"type": "string", "format": "binary", "description": "JPEG, PNG, GIF or WebP, at most 5 MB."}
# The request body, which FastAPI cannot derive from the signature.
DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ProfilePatch"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {**_SCHEMA["properties"], "avatar": _AVATAR},
                }
            },
        }
    }
}
_BOOLEANS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


async def _change(request: Request) -> ProfileChange:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return await _from_form(request)
    body = await request.body()
    if kind not in {"", "application/json"} and body:
        raise UnsupportedMedia("Send JSON, or a form with the file in the field `avatar`.")
    return _checked(await _json(request) if body else {}, None)


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not JSON.") from error


async def _from_form(request: Request) -> ProfileChange:
    async with request.form(max_files=1, max_fields=20, max_part_size=64 * 1024) as form:
        fields: dict[str, Any] = dict(form.multi_items())
        picture = fields.pop("avatar", None)
        if not _is_chosen(picture):
            picture = None
        if any(isinstance(value, UploadFile) for value in fields.values()) or isinstance(picture, str):
            raise Invalid.fields({"avatar": ["The one file of the form belongs here."]})
        if isinstance(adult := fields.get("adult"), str):
            fields["adult"] = _BOOLEANS.get(adult.lower(), adult)
        upload = await picture.read(LARGEST + 1) if isinstance(picture, UploadFile) else None
    return _checked(fields, upload)


def _is_chosen(picture: UploadFile | str | None) -> bool:
    """False for the empty part that browsers send if no file was chosen."""
    return bool(picture.filename or picture.size) if isinstance(picture, UploadFile) else picture != ""


def _checked(fields: Any, picture: bytes | None) -> ProfileChange:
    try:
        patch = ProfilePatch.model_validate(fields)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
    return ProfileChange(patch.values(), picture=picture, password=patch.current_password)


SentChange = Annotated[ProfileChange, Depends(_change)]
