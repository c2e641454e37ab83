"""The ``ltforge`` command."""

from __future__ import annotations

import sys

from ltforge.extras import missing_extra


def main() -> None:
    """Run the command; the console script's entry."""
    try:
        # Not at the top: with the client alone installed, typer is not there.
        from ltforge.command_line.application import application  # noqa: PLC0415
    except ModuleNotFoundError as error:
        extra = missing_extra(error)
        if extra is None:
            raise
        print(f'ltforge: {error.name} is missing; pip install "ltforge[{extra}]"', file=sys.stderr)
        sys.exit(1)
    application(prog_name="ltforge")
