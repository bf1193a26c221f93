"""Profiles, and the administration of accounts."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import access
from app.api.conditional import private_answer
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import HONOURS_KEY, IdempotentRoute
from app.api.limits import CurrentClient
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.api.profile_form import AVATAR_FORM, DOCUMENTED, SentChange
from app.errors import Conflict
from app.schemas.core.users import EraseIn, ProfileOut, PublicProfileOut, UserIn, UserPatch
from app.schemas.fields import Id

router = APIRouter(prefix="/users", tags=["users"], route_class=IdempotentRoute)

UserId = Annotated[Id, Path()]


@router.get("/me", response_model=ProfileOut, responses=KNOWN_ALREADY)
@access("read:profile")
async def get_me(request: Request, user: CurrentUser, services: Services) -> Response:
    """Get your profile."""
    profile = ProfileOut.of(await services.accounts.users.get_own(user))
    return private_answer(request, profile.model_dump_json().encode())


@router.patch("/me", openapi_extra=DOCUMENTED, responses=failures(Conflict))
@access("write:profile", upload_limit=AVATAR_FORM)
async def change_me(
    change: SentChange, user: CurrentUser, client: CurrentClient, services: Services
) -> ProfileOut:
    """Update your profile with JSON fields, or with a form that can include an `avatar` image."""
    return ProfileOut.of(await services.accounts.users.change(user, change, client))


@router.delete("/me", status_code=204)
@access("session")
async def erase_me(body: EraseIn, user: CurrentUser, client: CurrentClient, services: Services) -> None:
    """Permanently delete your account and all its data."""
    await services.accounts.users.erase(user, body.password, client)


@router.get("")
@access("admin:*")
async def list_users(
    page: Paging, services: Services, request: Request, response: Response
) -> list[ProfileOut]:
    """List all accounts, oldest first."""
    accounts, total = await services.accounts.users.list(limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [ProfileOut.of(account) for account in accounts]


@router.post("", status_code=201, dependencies=[HONOURS_KEY], responses=failures(Conflict))
@access("admin:*")
async def create_user(body: UserIn, services: Services) -> ProfileOut:
    """Create an account for someone else."""
    return ProfileOut.of(await services.accounts.registration.create(**dict(body)))


@router.get("/{user_id}")
@access("public")
async def get_user(user_id: UserId, services: Services) -> PublicProfileOut:
    """Get the public profile of an account."""
    return PublicProfileOut.of(await services.accounts.users.get(user_id))


@router.patch("/{user_id}", responses=failures(Conflict))
@access("admin:*")
async def administer_user(
    user_id: UserId, body: UserPatch, user: CurrentUser, services: Services
) -> ProfileOut:
    """Change the role of an account, or deactivate or reactivate it."""
    account = await services.accounts.users.administer(
        user, user_id, role=body.role, is_active=body.is_active
    )
    return ProfileOut.of(account)
