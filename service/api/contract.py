"""Prints the contract: `python -m service.api.contract > openapi.yaml`.

Run it after every change of a route or a wire model; a test compares the file with the application.
Needs PyYAML, which is a development dependency.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from service.api.application import assemble_routes

_HEADER = """\
# The contract of the HTTP interface. Made from the application's own routes and models by
#   python -m service.api.contract > openapi.yaml
# and held equal to them by tests/service/test_openapi.py.
"""


class _Dumper(yaml.SafeDumper):
    """Repeats what occurs twice, and writes prose as prose."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML asks so
        """No anchors: readers of a contract should not have to look elsewhere."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def main() -> None:
    """Write the document to standard output."""
    document = assemble_routes().openapi()
    sys.stdout.write(_HEADER)
    yaml.dump(document, sys.stdout, _Dumper, sort_keys=False, allow_unicode=True, width=100)


if __name__ == "__main__":
    main()
