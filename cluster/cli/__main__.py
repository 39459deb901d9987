"""Runs the command line. A setting that is wrong is said in a line, without a traceback."""

import sys

from cluster.cli.app import app


def main() -> None:
    try:
        app(prog_name="mobula")
    except ValueError as error:
        from pydantic import ValidationError

        from cluster.cli.output import fail

        if not isinstance(error, ValidationError) or error.title != "Settings":
            raise
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            place = "".join(f"MOBULA_{str(name).upper()}: " for name in each["loc"][:1])
            code = fail(place + each["msg"].removeprefix("Value error, "))
        sys.exit(code)


if __name__ == "__main__":
    main()
