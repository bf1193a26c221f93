"""Access control: every route declares its access, and enforces it."""

from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette

from app.api.access import CheckedRoute, UndeclaredRoute, access, route_table
from app.config import Settings
from app.container import Container
from app.main import create_app
from app.schemas.domain.accounts import PERMISSIONS, Permission, Principal
from app.schemas.jobs import SendMail
from tests.factories.forged_tokens import forged_tokens
from tests.fixtures.accounts import SignedIn
from tests.fixtures.routes import PROTECTED, ROUTES, Route, declared_routes

TABLE = Path(__file__).parents[1] / "samples/routes.txt"
_REFUSED = (401, 403)


def test_the_table_of_routes_is_unchanged() -> None:
    table = "".join(
        f"{route.method:6} {route.path:52} {route.access:14} {route.body_limit:>10,}\n"
        for route in declared_routes()
    )
    assert table == TABLE.read_text(), f"if this is meant, put it into {TABLE.name}:\n\n{table}"


def test_there_are_protected_routes() -> None:
    assert len(PROTECTED) > 20
    assert {"session", "admin:*", "write:catalog"} <= {route.access for route in PROTECTED}


async def test_protected_routes_require_a_token(client: httpx.AsyncClient) -> None:
    for route in PROTECTED:
        answer = await client.request(route.method, route.url())
        assert answer.status_code == 401, route.name
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        if route.path.startswith("/auth"):
            assert answer.headers["Cache-Control"] == "no-store"


async def test_forged_tokens_are_rejected_by_every_route(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn
) -> None:
    forged = dict(forged_tokens(user.access_token, settings.secret))
    forged |= {"the refresh token": user.refresh_token, "an API token": "ant_" + "x" * 43, "nothing": " "}
    assert len(forged) >= 30
    for route in PROTECTED:
        bodies = set()
        for name, token in forged.items():
            headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "same"}
            answer = await client.request(route.method, route.url(), headers=headers)
            assert answer.status_code == 401, (route.name, name)
            assert answer.headers["Cache-Control"] == "no-store"
            bodies.add(answer.content)
        assert len(bodies) == 1, route.name


async def test_sign_out_rejects_forged_tokens(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn
) -> None:
    gone = {"a subject that is nobody", "a session that is not"}  # validly signed but expired: not a failure
    for name, token in forged_tokens(user.access_token, settings.secret):
        answer = await client.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401 or name in gone, name
        assert (await client.get("/users/me", headers=user.headers)).status_code == 200, name
    assert (await client.get("/users/me", headers=user.headers)).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer ", ""])
async def test_only_bearer_authentication_is_accepted(
    client: httpx.AsyncClient, user: SignedIn, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {user.access_token}".strip()}
    answer = await client.get("/users/me", headers=headers)
    assert answer.status_code == (200 if scheme.strip() == "bearer" else 401)


async def _token_with(container: Container, owner: SignedIn, scopes: list[Permission]) -> dict[str, str]:
    account = await container.accounts.users.get(owner.id)
    principal = Principal(owner.id, owner.username, account.role, account.permissions)
    _, secret = await container.accounts.tokens.mint(principal, name="a program", scopes=scopes, days=1)
    return {"Authorization": f"Bearer {secret}"}


async def test_roles_have_access_as_the_table_states(
    client: httpx.AsyncClient, user: SignedIn, admin: SignedIn
) -> None:
    for route in PROTECTED:
        for caller, permissions in ((user, PERMISSIONS["user"]), (admin, PERMISSIONS["admin"])):
            if route.name == "POST /auth/logout-all":  # it would end what the other cases need
                continue
            answer = await client.request(route.method, route.url(), headers=caller.headers)
            allowed = route.access == "session" or route.access in permissions
            assert (answer.status_code not in _REFUSED) == allowed, (route.name, caller.username)
            disabled = answer.status_code == 503 and answer.json()["code"] == "UPSTREAM_DISABLED"
            assert answer.status_code < 500 or disabled, route.name


async def test_an_api_token_is_limited_to_its_scopes(
    client: httpx.AsyncClient, container: Container, admin: SignedIn
) -> None:
    for scope in sorted(PERMISSIONS["admin"]):
        headers = await _token_with(container, admin, [scope])
        for route in PROTECTED:
            answer = await client.request(route.method, route.url(), headers=headers)
            opened = answer.status_code not in _REFUSED
            assert opened == (route.access == scope), (route.name, scope)


async def test_an_api_token_loses_permissions_with_its_owner(
    client: httpx.AsyncClient, container: Container, admin: SignedIn
) -> None:
    other = await container.accounts.registration.create(
        username="second", email=None, password="x y z 1 2 3", role="admin"
    )
    headers = await _token_with(container, admin, ["admin:*", "read:profile"])
    assert (await client.get("/users", headers=headers)).status_code == 200
    actor = Principal(other.id, "second", "admin", PERMISSIONS["admin"])
    await container.accounts.users.administer(actor, admin.id, role="user", is_active=None)
    assert (await client.get("/users", headers=headers)).status_code == 403
    assert (await client.get("/users", headers=admin.headers)).status_code == 403
    assert (await client.get("/users/me", headers=headers)).status_code == 200
    await container.accounts.users.administer(actor, admin.id, role=None, is_active=False)
    assert (await client.get("/users/me", headers=headers)).status_code == 401
    assert (await client.get("/users/me", headers=admin.headers)).status_code == 401


async def _ids_of(container: Container, owner: SignedIn, client: httpx.AsyncClient) -> dict[str, Any]:
    """An id of every kind of object that an account can own."""
    principal = Principal(owner.id, owner.username, "user", PERMISSIONS["user"])
    token, _ = await container.accounts.tokens.mint(principal, name="mine", scopes=["read:content"], days=1)
    [session], _ = await container.accounts.sessions.list(owner.id, limit=20, offset=0)
    anime_id = await _title(container)

    async def make(path: str, body: dict[str, Any]) -> Any:
        made = await client.post(path, json=body, headers=owner.headers)
        assert made.status_code < 300, made.text
        return made.json()

    item = await make("/api/library/items", {"title": "A title", "type": "anime", "source": "manual"})
    await make("/users/me/list", {"anime_id": anime_id, "status": "watching"})
    await make("/favorites", {"anime_id": anime_id})
    collection = await make("/collections", {"name": "Mine"})
    await make(f"/collections/{collection['id']}/share", {})
    await make(f"/collections/{collection['id']}/items", {"anime_id": anime_id})
    async with container.db.transaction() as tx:
        job = await container.jobs.enqueue(tx, SendMail(owner.id, "reset", "x"), owner_id=owner.id)
    return {
        "session_id": session.id,
        "token_id": token.id,
        "item_id": item["id"],
        "entry_id": item["id"],
        "job_id": job.id,
        "anime_id": anime_id,
        "collection_id": collection["id"],
    }


async def _title(container: Container) -> int:
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        row = await connection.exec_driver_sql("insert into anime (title) values ('A title') returning id")
        return int(row.scalar_one())


# These ids belong to the public catalogue: an existing title may be returned.
_OF_THE_CATALOGUE = {
    "PUT /users/me/list/{anime_id}",
    "PUT /favorites/{anime_id}",
    "GET /watch/progress/{anime_id}",
}


def _is_of_somebody(route: Route) -> bool:
    if route.name in _OF_THE_CATALOGUE:
        return False
    own = ("/users/me", "/auth", "/jobs", "/api/library", "/favorites", "/watch", "/collections", "/views")
    is_own = bool(route.parameters) and route.path.startswith(own) and route.access != "public"
    return is_own and route.name != "POST /users/me/recommendations/ignored/{anime_id}"  # any title is public


_BODIES: Mapping[str, Any] = {
    "PATCH /users/me/list/{anime_id}": {"progress": 1},
    "PATCH /users/me/entries/{entry_id}": {"progress": 1},
    "PATCH /collections/{collection_id}": {"name": "Theirs"},
    "POST /collections/{collection_id}/items": {"anime_id": 1},
}


async def test_objects_of_other_users_look_like_missing_ones(
    client: httpx.AsyncClient, container: Container, user: SignedIn, other_user: SignedIn
) -> None:
    ids = await _ids_of(container, user, client)
    owned = [route for route in ROUTES if _is_of_somebody(route)]
    assert len(owned) >= 8
    for route in owned:
        assert set(route.parameters) <= set(ids), f"make one of each in _ids_of: {route.name}"
        headers = {**other_user.headers, "X-Request-ID": "same"}
        answers = [
            await client.request(route.method, url, headers=headers, json=_BODIES.get(route.name, {}))
            for url in (route.url(ids), route.url())
        ]
        assert answers[0].status_code == answers[1].status_code, route.name
        assert answers[0].content == answers[1].content, route.name
    for route in owned:  # and nothing is deleted or changed
        if route.method == "GET" and "/import/" not in route.path:
            assert (await client.get(route.url(ids), headers=user.headers)).status_code == 200, route.name
    assert (await container.accounts.sessions.list(user.id, limit=20, offset=0))[1] == 1
    assert (await container.accounts.tokens.list(user.id, limit=20, offset=0))[1] == 1


async def test_the_openapi_document_states_the_same_access(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    described = [route for route in ROUTES if route.method != "WS"]  # OpenAPI has no WebSockets
    assert {route.name for route in described} == {name for name in operations if not name.endswith("/")}
    for route in described:
        schemes = operations[route.name].get("security", [])
        if route.access == "service":
            assert schemes == [{"ServiceToken": []}]
            continue
        assert ({"BearerToken": []} in schemes and {} not in schemes) == (
            route.access != "public"
        ) or route.name == "POST /auth/logout"
        assert route.access == "public" or {"401", "403"} <= set(operations[route.name]["responses"])
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(ids) == len(set(ids))
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["tokenUrl"] == "/api/auth/token"


async def test_the_alias_of_the_users_routes_works(
    client: httpx.AsyncClient, user: SignedIn, admin: SignedIn
) -> None:
    for route in [route for route in ROUTES if route.path.startswith("/users") and route.method == "GET"]:
        for caller in (user, admin):
            headers = {**caller.headers, "X-Request-ID": "same"}
            plain, other = [
                await client.get(f"{prefix}{route.url({'user_id': user.id})}", headers=headers)
                for prefix in ("", "/api")
            ]
            assert (plain.status_code, plain.content) == (other.status_code, other.content), route.name
    assert (await client.get("/api/usersx", headers=user.headers)).status_code == 404


async def _endpoint() -> None:
    return None


async def _listen(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def _plain(app: FastAPI) -> None:
    app.add_route("/things", _endpoint)  # type: ignore[arg-type]  # never called


def _without_check(app: FastAPI) -> None:
    app.add_api_route("/things", access("public")(_endpoint_of_its_own()))


def _undeclared_socket(app: FastAPI) -> None:
    app.add_api_websocket_route("/things", _listen)


def _private_without_check(app: FastAPI) -> None:
    app.add_route("/things", access("session")(_endpoint_of_its_own()))  # type: ignore[arg-type]


def _another_application(app: FastAPI) -> None:
    app.mount("/things", Starlette())


def _endpoint_of_its_own() -> Callable[[], Coroutine[Any, Any, None]]:
    async def endpoint() -> None:
        return None

    return endpoint


@pytest.mark.parametrize(
    "add", [_plain, _without_check, _undeclared_socket, _private_without_check, _another_application]
)
def test_a_route_without_an_enforced_declaration_prevents_the_start(
    settings: Settings, add: Callable[[FastAPI], None]
) -> None:
    app = create_app(settings)
    add(app)
    with pytest.raises(UndeclaredRoute, match="/things"):
        route_table(app)


def test_a_route_cannot_be_made_without_a_declaration() -> None:
    router = APIRouter(route_class=CheckedRoute)
    with pytest.raises(UndeclaredRoute, match="/things: declare who may call"):
        router.get("/things")(_endpoint)


async def test_a_route_added_after_startup_is_rejected(
    settings: Settings, container: Container, admin: SignedIn
) -> None:
    app = create_app(settings, container=container)
    app.add_api_route("/things", _endpoint)
    app.add_api_route("/others", access("admin:*")(_endpoint_of_its_own()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/things", headers=admin.headers)).status_code == 403
        assert (await client.get("/others")).status_code == 401
        assert (await client.get("/others", headers=admin.headers)).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/between"])
async def test_a_web_socket_declares_its_access_like_other_routes(
    settings: Settings, container: Container, user: SignedIn, prefix: str
) -> None:
    router = APIRouter()

    @router.websocket("/socket")
    @access("read:content")
    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.principal.username)
        await socket.close()

    app = create_app(settings, container=container)
    app.include_router(router, prefix=prefix)
    [entry] = [route for route in route_table(app) if route.name == f"WS {prefix}/socket"]
    assert (entry.path, entry.access) == (f"{prefix}/socket", "read:content")
    for headers, expected in (({}, 401), ({"Authorization": "Bearer no"}, 401), (user.headers, None)):
        messages = await _connect(app, f"{prefix}/socket", headers)
        if expected:
            assert messages[0]["type"] == "websocket.http.response.start"
            assert messages[0]["status"] == expected
        else:
            assert messages[0]["type"] == "websocket.accept"
            assert messages[1]["text"] == user.username


async def _connect(app: FastAPI, path: str, headers: Mapping[str, str]) -> list[MutableMapping[str, Any]]:
    """The application's messages to a client that opens a WebSocket."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent
