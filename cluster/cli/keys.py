"""`mobula keys`: what this machine's home knows of API keys."""

from cluster.auth.keys import admin_key
from cluster.cli.screen import fail, plain
from cluster.settings import Settings


def show() -> int:
    settings = Settings()
    key = admin_key(settings.home, settings)
    if key is None:
        return fail(f"no admin key in {settings.home}; the first `mobula up` makes one")
    plain(key)
    return 0
