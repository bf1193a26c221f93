"""Change the avatar of an account repeatedly until killed; the argument is its id."""

import asyncio
import sys

from app.config import load_settings
from app.container import build
from app.logs import configure_logs, log
from app.schemas.domain.accounts import PERMISSIONS, ClientInfo, Principal
from app.services.accounts.users import ProfileChange
from tests.factories.pictures import encoded, noise


async def upload_for_ever(user_id: int) -> None:
    user = Principal(user_id, "mio", "user", PERMISSIONS["user"])
    here = ClientInfo("192.0.2.1", "192.0.2.1", None)
    async with build(load_settings()) as services:
        while True:
            picture = encoded(noise(), "PNG")
            await services.accounts.users.change(user, ProfileChange({}, picture=picture), here)
            log.info("uploaded")


if __name__ == "__main__":
    configure_logs("INFO")
    asyncio.run(upload_for_ever(int(sys.argv[1])))
