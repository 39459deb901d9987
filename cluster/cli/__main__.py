"""Runs the command line. An invalid setting is reported in one line, without a traceback."""

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
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            prefix = "".join(f"MOBULA_{str(name).upper()}: " for name in fault["loc"][:1])
            exit_code = fail(prefix + fault["msg"].removeprefix("Value error, "))
        sys.exit(exit_code)


if __name__ == "__main__":
    main()
