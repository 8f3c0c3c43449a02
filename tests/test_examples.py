"""The example others start from runs, stays short, and ends in a file that plain Keras loads."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lthcore.files import paths

CHANGELOG = paths.project_root() / "CHANGELOG.md"
EXAMPLE = paths.project_root() / "examples" / "own_model.py"


def test_an_own_model_goes_through_the_search_and_plain_keras_loads_it(tmp_path: Path):
    target = tmp_path / "ticket.keras"
    accuracy = runpy.run_path(str(EXAMPLE))["main"](target, steps=150, rounds=2)
    assert accuracy > 0.5
    program = (
        "import sys, keras, numpy as np\n"
        "from sklearn.datasets import load_digits\n"
        f"model = keras.models.load_model({str(target)!r})\n"
        "assert 'lthcore' not in sys.modules\n"
        "digits = load_digits()\n"
        "images, labels = digits.images[-400:, ..., None] / 16.0, digits.target[-400:]\n"
        "print(np.mean(model.predict(images, verbose=0).argmax(1) == labels))\n"
        "print(np.mean(model.get_layer('conv_2').get_weights()[0] == 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded, pruned = map(float, done.stdout.split()[-2:])
    assert loaded == pytest.approx(accuracy, abs=1e-6)
    assert pruned == pytest.approx(1 - 0.6**2, abs=0.01)


def test_the_programs_in_the_readme_run_as_they_stand(capsys, tmp_path, monkeypatch):
    readme = (paths.project_root() / "README.md").read_text()
    programs, names = re.findall(r"```python\n(.+?)```", readme, re.DOTALL), {}
    monkeypatch.chdir(tmp_path)
    for program in programs:  # each goes on with what those before it have found
        assert program.startswith("import lthcore as lth\n")
        assert len([line for line in program.splitlines() if line]) <= 10
        exec(compile(program, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 9 + 1 + 1 + 1 + 3 + 1
    assert (tmp_path / "ticket.keras").is_file()
    assert re.fullmatch(r"\[(\d ){9}\d\]", printed[10])
    assert printed[11].startswith("Mask(density 0.06892; ")
    assert printed[12:15] != printed[:3], "another criterion gives other tickets"
    assert printed[0].startswith("100.0% of the weights: 8") or printed[0].startswith("100.0% of the weights: 9")


def test_every_import_that_moved_is_where_the_changelog_says():
    rows = re.findall(r"^\| `lthcore\.\w.*?`(?:: (.+?))? \| `(.+?)` \|$", CHANGELOG.read_text(), re.MULTILINE)
    assert len(rows) > 70
    for names, module in rows:
        found = importlib.import_module(module)
        assert [name for name in re.findall(r"`(\w+)`", names) if not hasattr(found, name)] == [], module


def test_it_takes_at_most_25_lines():
    tree = ast.parse(EXAMPLE.read_text())
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert main.end_lineno - main.lineno + 1 <= 25
