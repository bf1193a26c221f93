"""AniList's OAuth 2 sign-in (authorization code). Tokens are valid for a year and cannot be refreshed."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from app.errors import AppError, BadRequest, UpstreamError
from app.external.anilist.client import AniListClient
from app.external.base.client import USER, Client, Limiter, Policy, Request, path_of
from app.schemas.domain.sync import RemoteAccount
from app.utils.text.cleaning import read_int

_TOKEN = re.compile("[!-~]{1,8192}")  # what can be sent in a header: visible ASCII characters
# Not tried again, because a code works once.
_SINGLE_ATTEMPT = replace(USER, name="sign-in", budget=10.0, attempt=9.0, attempts=1)


def _explain(status: int, _: Any) -> AppError | None:
    return BadRequest("AniList did not accept the code; try again.") if status in (400, 401, 403) else None


ANILIST_OAUTH = Policy("anilist_oauth", "AniList's sign-in", explain=_explain)


class AniListSignIn(Client):
    """Implements ``SignIn``."""

    policy = ANILIST_OAUTH

    def __init__(
        self,
        base_url: str,
        api: AniListClient,
        *,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        limiter: Limiter,
        **parts: Any,
    ) -> None:
        super().__init__(base_url, limiter=limiter, **parts)
        self._base_url = base_url.rstrip("/")
        self._api = api
        self._client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uri": redirect_uri,
        }

    def authorize_url(self, state: str) -> str:
        parameters = {
            "client_id": self._client["client_id"],
            "redirect_uri": self._client["redirect_uri"],
            "response_type": "code",
            "state": state,
        }
        return f"{self._base_url}/authorize?{urlencode(parameters)}"

    async def exchange(self, code: str) -> tuple[str, int | None]:
        body = {"grant_type": "authorization_code", **self._client, "code": code}
        answer = await self._upstream.ask(Request(path_of(["token"]), {}, body), _SINGLE_ATTEMPT)
        token = answer.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise UpstreamError("AniList's response has no token.")
        return token, read_int(answer.get("expires_in"), low=1)

    async def get_account(self, token: str) -> RemoteAccount:
        return await self._api.get_viewer(token)
