"""`mobula bootstrap`: the store made ready without starting anything.

For installations where nobody runs `up`: on Kubernetes the head's first container does this, with
the URL of the store, the pepper and the bootstrap key from its environment.
"""

from cluster.cli.output import fail, print_rich
from cluster.runtime.settings import Settings


def run(accept_newer: bool, adopt_rows: bool = False) -> int:
    """The exit code. `accept_newer`: tables that newer code has made are left as they are;
    `adopt_rows`: the rows of keys and users are signed as they stand."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import DatabaseUnavailable
    from cluster.storage.migrate import SchemaTooNew

    settings = Settings()
    try:
        key = bootstrap(settings.home, settings, adopt_rows=adopt_rows)
    except DatabaseUnavailable as down:
        return fail(f"{down.detail} MOBULA_DATABASE_URL names it.")
    except SchemaTooNew as newer:
        if not accept_newer:
            return fail(str(newer))
        print_rich("newer tables are there; nothing was changed")
        return 0
    except ValueError as refusal:
        return fail(str(refusal))
    print_rich("the store is ready")
    if key is not None:
        print_rich(f"  admin key  kept in {settings.home / 'admin.key'}")
    return 0
