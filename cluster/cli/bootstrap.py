"""`mobula bootstrap`: the store made ready without starting anything.

For installations where nobody runs `up`: on Kubernetes the head's first container does this, with
the URL of the store, the pepper and the bootstrap key from its environment.
"""

from cluster.cli.screen import fail, say
from cluster.settings import Settings


def run(accept_newer: bool, adopt_rows: bool = False) -> int:
    """The exit code. `accept_newer`: tables that newer code has made are left as they are;
    `adopt_rows`: the rows of keys and users are signed as they stand."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import StoreDown
    from cluster.storage.migrate import StoreIsNewer

    settings = Settings()
    try:
        key = bootstrap(settings.home, settings, adopt_rows=adopt_rows)
    except StoreDown as down:
        return fail(f"{down.detail} MOBULA_DATABASE_URL names it.")
    except StoreIsNewer as newer:
        if not accept_newer:
            return fail(str(newer))
        say("newer tables are there; nothing was changed")
        return 0
    except ValueError as refusal:
        return fail(str(refusal))
    say("the store is ready")
    if key is not None:
        say(f"  admin key  kept in {settings.home / 'admin.key'}")
    return 0
