"""Entry point of `wifibilling` (and of `python -m billing.cli`): errors become one line and an exit code."""

import sys
from collections.abc import Sequence

import typer
from botocore.exceptions import ClientError

from billing.cli.app import build
from billing.cli.exits import Exit, code_of
from radius.domain.errors import RadiusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code (`exits.MEANINGS`)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = build(given[0] if given else "")(args=given, prog_name="wifibilling", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(Exit.USAGE)
    except RadiusError as error:
        typer.echo(f"wifibilling: {error}", err=True)
        return int(code_of(error))
    except ClientError as refused:  # what the store says of a table that is not there, or a right that is missing
        typer.echo(f"wifibilling: the store refuses: {refused}. Is it this site's? `wifibilling doctor`", err=True)
        return int(Exit.USAGE)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
