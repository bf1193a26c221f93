"""Profiles, administration, export and erasure of accounts over HTTP."""

import io
from pathlib import Path

import httpx
import orjson
import pytest
from dirty_equals import IsPositiveInt, IsStr
from PIL import Image

from app.config import Settings
from app.container import Container
from app.services.accounts.avatars import LARGEST
from tests.factories.pictures import corpus, encoded, noise
from tests.fixtures.accounts import PASSWORD, SignedIn, make_account

PICTURE = encoded(noise(), "PNG")
INSTANT = IsStr(regex=r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def upload(content: bytes = PICTURE, name: str = "me.png") -> dict[str, tuple[str, bytes, str]]:
    return {"avatar": (name, content, "image/png")}


def avatars_in(settings: Settings) -> list[Path]:
    folder = settings.upload_folder
    return sorted(folder.iterdir()) if folder.is_dir() else []


async def test_changing_fields_by_json(client: httpx.AsyncClient, user: SignedIn) -> None:
    changed = await client.patch(
        "/users/me", json={"full_name": "  Mio   Akiyama ", "username": "Mio"}, headers=user.headers
    )
    assert changed.status_code == 200
    assert (changed.json()["full_name"], changed.json()["username"]) == ("Mio Akiyama", "Mio")
    assert (await client.get("/users/me", headers=user.headers)).json() == changed.json()
    cleared = await client.patch("/users/me", json={"full_name": None}, headers=user.headers)
    assert cleared.json() == {**changed.json(), "full_name": None}


@pytest.mark.parametrize("sent", [{}, {"json": {}}, {"data": {}}, {"files": {}}])
async def test_changing_nothing_answers_the_profile(
    client: httpx.AsyncClient, user: SignedIn, sent: dict[str, object]
) -> None:
    answer = await client.patch("/users/me", headers=user.headers, **sent)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert answer.json()["username"] == user.username


@pytest.mark.parametrize(
    "body",
    [
        {"username": "me"}, {"username": "Me"}, {"username": "ab"}, {"username": "x" * 33},
        {"username": "a b c"}, {"username": "mio\n"}, {"username": "мио"}, {"username": None},
        {"username": 7}, {"full_name": "x" * 101}, {"full_name": "a\x00b"}, {"full_name": 7},
        {"email": "nobody"}, {"email": "new@example.org"}, {"avatar": "x.png"}, {"role": "admin"},
        {"is_active": False},
        {"id": 1}, {"password_hash": "x"}, {"created_at": "2020-01-01T00:00:00Z"}, [], 7, "text",
    ],
)  # fmt: skip
async def test_rejected_changes(client: httpx.AsyncClient, user: SignedIn, body: object) -> None:
    before = (await client.get("/users/me", headers=user.headers)).json()
    answer = await client.patch("/users/me", json=body, headers=user.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert (await client.get("/users/me", headers=user.headers)).json() == before


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b'{"full_name": "\\ud800"}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"x", "text/plain", 415),
        (b"<a/>", "application/xml", 415),
        (b"x", "multipart/form-data", 422),
    ],
)
async def test_malformed_bodies_are_rejected(
    client: httpx.AsyncClient, user: SignedIn, content: bytes, kind: str, status: int
) -> None:
    headers = {**user.headers, "Content-Type": kind}
    answer = await client.patch("/users/me", content=content, headers=headers)
    assert answer.status_code == status


async def test_a_taken_name_is_a_conflict_in_any_case(
    client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn
) -> None:
    body = {"username": other_user.username.upper()}
    assert (await client.patch("/users/me", json=body, headers=user.headers)).status_code == 409
    own = {"username": user.username.upper()}
    assert (await client.patch("/users/me", json=own, headers=user.headers)).status_code == 200


async def test_a_new_address_needs_the_password_and_both_get_a_mail(
    client: httpx.AsyncClient, container: Container, user: SignedIn, other_user: SignedIn
) -> None:
    wrong = {"email": "new@example.org", "current_password": "not the password"}
    assert (await client.patch("/users/me", json=wrong, headers=user.headers)).status_code == 403
    taken = {"email": f"{other_user.username}@EXAMPLE.org", "current_password": PASSWORD}
    assert (await client.patch("/users/me", json=taken, headers=user.headers)).status_code == 409
    right = {"email": "new@example.org", "current_password": PASSWORD}
    changed = await client.patch("/users/me", json=right, headers=user.headers)
    assert (changed.status_code, changed.json()["email"]) == (200, "new@example.org")
    mails = (await container.jobs.list(kind="accounts.mail")).jobs
    told = {f"{user.username}@example.org", "new@example.org"}
    assert {mail.arguments["to"] for mail in mails} == told


async def test_an_avatar_is_replaced_and_served(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn
) -> None:
    names = []
    for _ in range(2):
        answer = await client.patch(
            "/users/me", files=upload(), data={"full_name": "Mio"}, headers=user.headers
        )
        assert answer.status_code == 200
        assert answer.json() == {**answer.json(), "full_name": "Mio"}
        names.append(answer.json()["avatar"])
    assert all(name == IsStr(regex=r"/media/avatars/[0-9a-f]{32}\.webp") for name in names)
    assert [path.name for path in avatars_in(settings)] == [names[1].rsplit("/")[-1]]
    assert (await client.get(names[0])).status_code == 404
    served = await client.get(names[1])
    assert served.status_code == 200
    assert served.headers["Content-Type"] == "image/webp"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert Image.open(io.BytesIO(served.content)).size == (320, 200)
    for sent in (served.headers["ETag"], f'"other", W/{served.headers["ETag"]}', "*"):
        known = await client.get(names[1], headers={"If-None-Match": sent})
        assert (known.status_code, known.content) == (304, b"")
    removed = await client.patch("/users/me", json={"avatar": None}, headers=user.headers)
    assert removed.json()["avatar"] is None
    assert avatars_in(settings) == []


async def test_a_range_of_ten_thousand_parts_is_ignored(client: httpx.AsyncClient, user: SignedIn) -> None:
    path = (await client.patch("/users/me", files=upload(), headers=user.headers)).json()["avatar"]
    ranges = ",".join(f"{number}-{number + 1}" for number in range(1500))
    whole = await client.get(path)
    assert (await client.get(path, headers={"Range": f"bytes={ranges}"})).content == whole.content


async def test_a_failed_upload_changes_nothing(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn
) -> None:
    before = (await client.patch("/users/me", files=upload(), headers=user.headers)).json()
    kept = avatars_in(settings)
    bad = {name: file for name, file in corpus().items() if not file.is_picture}
    assert len(bad) > 15
    for name, file in bad.items():
        answer = await client.patch(
            "/users/me",
            files={"avatar": (file.filename, file.content, file.content_type)},
            data={"full_name": "changed"},
            headers=user.headers,
        )
        assert answer.status_code in {413, 415, 422}, name
        assert answer.json()["code"] in {"PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA", "VALIDATION_ERROR"}
    assert (await client.get("/users/me", headers=user.headers)).json() == before
    assert avatars_in(settings) == kept


async def test_a_good_picture_with_a_bad_field_changes_nothing(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn, other_user: SignedIn
) -> None:
    for fields, status in (({"username": other_user.username}, 409), ({"role": "admin"}, 422)):
        answer = await client.patch("/users/me", files=upload(), data=fields, headers=user.headers)
        assert answer.status_code == status
        assert avatars_in(settings) == []


@pytest.mark.parametrize("filename", ['; filename=""', ""])
async def test_a_form_in_which_no_file_was_chosen(
    client: httpx.AsyncClient, settings: Settings, user: SignedIn, filename: str
) -> None:
    before = await client.patch("/users/me", files=upload(), headers=user.headers)
    parts = f'--x\r\nContent-Disposition: form-data; name="avatar"{filename}\r\n'
    parts += "Content-Type: application/octet-stream\r\n\r\n\r\n--x\r\n"
    parts += 'Content-Disposition: form-data; name="full_name"\r\n\r\nMio\r\n--x--\r\n'
    headers = {**user.headers, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await client.patch("/users/me", content=parts, headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {**before.json(), "full_name": "Mio"}
    assert len(avatars_in(settings)) == 1


async def test_rejected_forms(client: httpx.AsyncClient, user: SignedIn) -> None:
    two = [("avatar", ("a.png", PICTURE, "image/png")), ("avatar", ("b.png", PICTURE, "image/png"))]
    for files in (two, {"full_name": ("a.png", PICTURE, "image/png")}):
        answer = await client.patch("/users/me", files=files, headers=user.headers)
        assert answer.status_code == 422
    assert (await client.patch("/users/me", data={"avatar": "x"}, headers=user.headers)).status_code == 422


async def test_a_body_too_large_is_not_read(client: httpx.AsyncClient, user: SignedIn) -> None:
    large = b"\x89PNG\r\n\x1a\n" + bytes(LARGEST + 200_000)
    for files in (upload(large), upload(PICTURE.ljust(LARGEST + 1, b"\x00"))):
        answer = await client.patch("/users/me", files=files, headers=user.headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    fits = upload(PICTURE.ljust(LARGEST, b"\x00"))
    assert (await client.patch("/users/me", files=fits, headers=user.headers)).status_code == 200
    body = {"full_name": "x" * 2_000_000}
    assert (await client.patch("/users/me", json=body, headers=user.headers)).status_code == 413


async def test_public_profiles_show_few_fields(client: httpx.AsyncClient, user: SignedIn) -> None:
    answer = await client.get(f"/users/{user.id}")
    assert answer.json() == {
        "id": user.id,
        "username": user.username,
        "avatar": None,
        "created_at": INSTANT,
    }
    assert (await client.get("/users/2000000000")).status_code == 404
    for bad in ("0", "-1", "x", str(2**31), "9" * 400):
        assert (await client.get(f"/users/{bad}")).status_code == 422


async def test_operators_list_and_create(client: httpx.AsyncClient, admin: SignedIn) -> None:
    body = {"email": "new@example.org", "password": PASSWORD, "role": "admin", "full_name": "New"}
    made = await client.post("/users", json=body, headers=admin.headers)
    assert made.status_code == 201
    assert made.json() == {
        "id": IsPositiveInt,
        "username": "new",
        "email": "new@example.org",
        "full_name": "New",
        "avatar": None,
        "role": "admin",
        "permissions": IsPermissions,
        "timezone": "UTC",
        "title_language": "romaji",
        "adult": False,
        "list_visibility": "private",
        "is_active": True,
        "created_at": INSTANT,
    }
    assert (await client.post("/users", json=body, headers=admin.headers)).status_code == 409
    nameless = {"password": PASSWORD}
    assert (await client.post("/users", json=nameless, headers=admin.headers)).status_code == 422
    page = await client.get("/users?limit=1", headers=admin.headers)
    assert [one["id"] for one in page.json()] == [admin.id]
    assert page.headers["X-Total-Count"] == "2"
    assert 'rel="next"' in page.headers["Link"]


IsPermissions = [
    "admin:*", "read:content", "read:profile", "write:catalog", "write:content", "write:profile"
]  # fmt: skip


async def test_operators_change_roles_at_once(
    client: httpx.AsyncClient, admin: SignedIn, user: SignedIn
) -> None:
    answer = await client.patch(f"/users/{user.id}", json={"role": "admin"}, headers=admin.headers)
    assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    assert (await client.get("/users", headers=user.headers)).status_code == 200
    await client.patch(f"/users/{user.id}", json={"role": "user"}, headers=admin.headers)
    assert (await client.get("/users", headers=user.headers)).status_code == 403
    closed = await client.patch(f"/users/{user.id}", json={"is_active": False}, headers=admin.headers)
    assert closed.json()["is_active"] is False
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401
    await client.patch(f"/users/{user.id}", json={"is_active": True}, headers=admin.headers)
    login = {"login": user.username, "password": PASSWORD}
    assert (await client.post("/auth/login", json=login)).status_code == 200
    for body in ({"role": "owner"}, {"role": 1}, {"is_active": "no"}, {"username": "x"}):
        bad = await client.patch(f"/users/{user.id}", json=body, headers=admin.headers)
        assert bad.status_code == 422
    missing = await client.patch("/users/2000000000", json={"role": "user"}, headers=admin.headers)
    assert missing.status_code == 404


async def test_the_last_admin_is_protected(
    client: httpx.AsyncClient, container: Container, admin: SignedIn
) -> None:
    for body in ({"role": "user"}, {"is_active": False}):
        answer = await client.patch(f"/users/{admin.id}", json=body, headers=admin.headers)
        assert answer.status_code == 409
    password = {"password": PASSWORD}
    erased = await client.request("DELETE", "/users/me", json=password, headers=admin.headers)
    assert erased.status_code == 409
    await make_account(container, role="admin")
    assert (
        await client.patch(f"/users/{admin.id}", json={"role": "user"}, headers=admin.headers)
    ).status_code == 200


async def test_the_export_has_everything_but_secrets(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    token = {"name": "mine", "scopes": ["read:content"]}
    minted = (await client.post("/auth/tokens", json=token, headers=user.headers)).json()["token"]
    item = {"title": "A title of mine", "type": "manga", "source": "manual"}
    await client.post("/api/library/items", json=item, headers=user.headers)
    answer = await client.get("/users/me/export", headers=user.headers)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    owned = orjson.loads(answer.content)
    assert owned["account"] == {
        "id": user.id,
        "username": user.username,
        "email": f"{user.username}@example.org",
        "full_name": None,
        "avatar": None,
        "role": "user",
        "timezone": "UTC",
        "title_language": "romaji",
        "adult": False,
        "list_visibility": "private",
        "is_active": True,
        "created_at": INSTANT,
        "updated_at": INSTANT,
    }
    assert owned["sessions"][0]["address"] == "192.0.2.1"
    assert owned["api_tokens"][0]["name"] == "mine"
    assert owned["list"][0]["title"] == "A title of mine"
    stored = await container.db.scalar("select password_hash from users where id = :id", {"id": user.id})
    for secret in (minted, stored, user.refresh_token, user.access_token):
        assert secret not in answer.text


async def test_an_erased_account_leaves_no_data(
    client: httpx.AsyncClient, container: Container, settings: Settings, user: SignedIn
) -> None:
    canary = "canary-of-this-account"
    await client.patch(
        "/users/me", files=upload(), data={"full_name": canary, "username": canary}, headers=user.headers
    )
    token = {"name": canary, "scopes": ["read:content"]}
    await client.post("/auth/tokens", json=token, headers=user.headers)
    item = {"title": canary, "type": "manga", "source": "manual"}
    await client.post("/api/library/items", json=item, headers=user.headers)
    await client.post("/auth/password/forgot", json={"email": f"{user.username}@example.org"})
    wrong = await client.request("DELETE", "/users/me", json={"password": "no"}, headers=user.headers)
    assert wrong.status_code == 403
    assert (await client.request("DELETE", "/users/me", json={}, headers=user.headers)).status_code == 422
    gone = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=user.headers)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401
    assert (await client.get(f"/users/{user.id}")).status_code == 404
    assert avatars_in(settings) == []
    assert await rows_that_mention(container, [canary, user.username]) == {}
    kept = [f"{key!r} {await container.redis.dump(key)!r}" for key in await container.redis.keys("*")]
    assert [entry for entry in kept if canary in entry or user.username in entry] == []
    again = {"username": canary, "email": f"{user.username}@example.org", "password": PASSWORD}
    assert (await client.post("/auth/register", json=again)).status_code == 201


async def rows_that_mention(container: Container, words: list[str]) -> dict[str, int]:
    """The tables with rows that contain one of the words in any column, with their number."""
    names = await container.db.scalar(
        "select string_agg(tablename, ',') from pg_tables where schemaname = 'public'"
    )
    found = {}
    for name in names.split(","):
        count = await container.db.scalar(
            f'select count(*) from "{name}" t where t::text ~* :words', {"words": "|".join(words)}
        )
        if count:
            found[name] = count
    return found


async def test_only_a_form_may_be_larger_than_other_bodies(client: httpx.AsyncClient, user: SignedIn) -> None:
    large = b'{"full_name": "' + b"x" * (1024 * 1024) + b'"}'
    for kind, status in (
        ("application/json", 413),
        ("application/x-www-form-urlencoded", 413),
        ("multipart/form-data; boundary=x", 422),
    ):
        headers = {**user.headers, "Content-Type": kind}
        answer = await client.patch("/users/me", content=large, headers=headers)
        assert answer.status_code == status, kind
