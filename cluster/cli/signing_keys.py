"""`mobula signing-keys`: the keys that sign access tokens."""

from cluster.cli.api import Key, api, new_app
from cluster.cli.output import print_rich

signing_keys = new_app("Keys that sign access tokens.")


@signing_keys.callback()
def about() -> None:
    """Keys that sign access tokens."""


@signing_keys.command()
def rotate(key: Key = None) -> None:
    """Create a signing key, in use after 5 s. Tokens of the old key stay valid."""
    with api(key) as cluster:
        response = cluster.post("auth", "signing-keys", "rotate", body={})
        print_rich(f"{response['id']} signs in about 5 s; tokens of the old key stay valid")
