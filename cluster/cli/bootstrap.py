"""`mobula bootstrap`: prepares the database without starting a cluster.

For installations without `up`: on Kubernetes the head's init container runs it, with the database
URL, the pepper and the bootstrap key from its environment.
"""

from cluster.cli.output import fail, print_rich
from cluster.runtime.settings import Settings


def run(accept_newer: bool, adopt_rows: bool = False) -> int:
    """The exit code. `accept_newer`: tables of a newer version are left as they are;
    `adopt_rows`: the rows of keys and users are signed as they are."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import DatabaseUnavailable
    from cluster.storage.migrate import SchemaTooNew

    settings = Settings()
    try:
        key = bootstrap(settings.home, settings, adopt_rows=adopt_rows)
    except DatabaseUnavailable as unavailable:
        return fail(f"{unavailable.detail} Its address is MOBULA_DATABASE_URL.")
    except SchemaTooNew as newer:
        if not accept_newer:
            return fail(str(newer))
        print_rich("the tables are of a newer version; nothing was changed")
        return 0
    except ValueError as refusal:
        return fail(str(refusal))
    print_rich("the database is ready")
    if key is not None:
        print_rich(f"  admin key  saved in {settings.home / 'admin.key'}")
    return 0
