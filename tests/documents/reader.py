"""Somebody who does what a page says, block by block, in one terminal and one Python."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import io
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from ltengine.specification import parse_specification
from tests.documents.blocks import Block
from tests.documents.checks import CHECKS, console_steps
from tests.waiting import wait_until

_ID = re.compile(r"\b([a-z]{3})_([0-9a-z]{26})\b")
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Reader:
    """Reads one page.

    Pages speak of a service at 127.0.0.1:8000, of the key ``ltf_...``, and of ids such as
    ``ckp_...``: the reader puts in the real ones, for an id the last one of its kind that it saw.
    """

    def __init__(self, folder: Path, url: str, key: str, ids: Mapping[str, str]) -> None:
        self.folder = folder
        self.url, self.key = url, key
        self.ids = dict(ids)
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LTFORGE_")
        }

    def follow(self, block: Block) -> None:
        """Do what the block says, or what its comment says instead."""
        name, _, argument = (block.check or "").partition(" ")
        text = self._filled_in(block.text)
        match block.language, name:
            case _, known if known in CHECKS:
                CHECKS[known](block)
            case "python", "":
                self._python(text, str(block))
            case "bash" | "sh", "":
                self._bash(text)
            case "bash" | "sh", "until":
                wait_until(lambda: argument in self._bash(text), 120, argument)
            case "console", "":
                for command, printed in console_steps(text):
                    self._console(command, printed)
            case "json", "spec":
                parse_specification(json.loads(text))
            case "json", "POST":
                self._post(argument, text)
            case _:
                raise AssertionError(f"nothing checks a block of this kind: {block.check}")

    def _filled_in(self, text: str) -> str:
        text = text.replace("http://127.0.0.1:8000", self.url).replace("ltf_...", self.key)
        return re.sub(r"\b([a-z]{3})_\.\.\.", lambda match: self.ids[match[1]], text)

    def _python(self, text: str, place: str) -> None:
        with patch.dict(os.environ, self.environment):
            if text.startswith(">>> "):
                self._doctest(text, place)
                return
            code = compile(text, place, "exec", flags=_FLAGS)
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, self.names))
            else:
                exec(code, self.names)

    def _doctest(self, text: str, place: str) -> None:
        example = doctest.DocTestParser().get_doctest(text, self.names, place, None, 0)
        report = io.StringIO()
        result = doctest.DocTestRunner().run(example, out=report.write, clear_globs=False)
        self.names.update(example.globs)
        assert result.attempted
        assert result.failed == 0, report.getvalue()

    def _bash(self, script: str, *, refusals_fail: bool = True) -> str:
        """Run it where the blocks before left off; what it printed."""
        state = self.folder.parent / "environment"
        settings = self.folder.parent / "curl"
        settings.mkdir(exist_ok=True)
        (settings / ".curlrc").write_text("fail-with-body\n" if refusals_fail else "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"set -a; trap 'env -0 >{state}' EXIT\n{script}"],
            cwd=self.folder,
            env={**self.environment, "CURL_HOME": str(settings)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        self.environment = dict(
            pair.split("=", 1) for pair in state.read_text().split("\0") if "=" in pair
        )
        self.ids.update((match[1], match[0]) for match in _ID.finditer(done.stdout))
        return done.stdout

    def _console(self, command: str, printed: str) -> None:
        seen = self._bash(command, refusals_fail=False)
        alike = doctest.OutputChecker().check_output(printed, seen.strip() + "\n", _LIKE)
        assert alike, f"{command}\nprinted\n{seen}"

    def _post(self, path: str, text: str) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        answer = httpx.post(self.url + path, content=text, headers=headers)
        assert answer.is_success, answer.text
