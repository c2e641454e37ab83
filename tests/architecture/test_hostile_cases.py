"""Every case of the list of attacks that the service must stand has a test that bears its name.

The tests of a case are functions called ``test_<case>_...``; they may stand anywhere under tests/.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CASES = {
    "P1": "a pickle that runs a command",
    "P2": "globals and operations that no tensor needs",
    "P3": "archives that grow when unpacked",
    "P4": "strides that make much of few bytes",
    "P5": "many views of one storage",
    "P6": "more numbers declared than stored",
    "P7": "archives of the time before zip files",
    "P8": "TorchScript, whole modules, tar files",
    "P9": "nesting without end",
    "P10": "tensors without number",
    "P11": "sparse, quantized, complex and tiny types",
    "P12": "NaN, infinity, denormal and huge numbers",
    "S1": "safetensors that break their format",
    "S2": "headers of a million tensors",
    "S3": "empty shapes of huge sides",
    "S4": "names given twice",
    "S5": "names that look like paths",
    "O1": "ONNX data outside the file",
    "O2": "graphs nested in graphs",
    "O3": "sizes without data",
    "O4": "negative sizes",
    "O5": "operators that make much of little",
    "O6": "what no reader of ours reads",
    "U1": "names of uploads",
    "U2": "uploads without length, without end, without haste",
    "U3": "compressed bodies",
    "U4": "resumable uploads used as they must not be",
    "U5": "the same digest of another tenant",
    "W1": "webhooks to addresses inside",
    "W2": "names that resolve differently later",
    "W3": "redirects, proxies, ports, endless answers",
    "W4": "forged and replayed messages",
    "A1": "another tenant's ids",
    "A2": "keys in logs, and keys guessed by time",
    "A3": "forged cursors, keys of others' requests, huge labels, patterns as filters",
    "B1": "specs and queues that are bombs",
    "B2": "whoever can write to the broker",
    "L1": "what is installed",
    "L2": "what a browser does with answers",
}
_TEST = re.compile(r"test_([a-z]+[0-9]+)_")


def named_tests() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (named := _TEST.match(node.name)):
                found[named[1].upper()].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    return named_tests()


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_test_by_its_name(case: str, found: dict[str, list[str]]) -> None:
    assert found[case], f"no test is called test_{case.lower()}_...: {CASES[case]}"
