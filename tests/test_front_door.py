"""One import offers what one needs, loads nothing before it is used, and starts TensorFlow rightly and quietly."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import client
import pytest

import lthcore as lth
from lthcore.files import tensorflow_settings

CLIENT = Path(client.__file__)


def python(script: str, **environment: str | None) -> subprocess.CompletedProcess:
    """What a new process says of a script; None takes a variable out of its environment."""
    defaults = dict.fromkeys((tensorflow_settings.ONEDNN, tensorflow_settings.LOG_LEVEL, "XLA_FLAGS"))
    values = os.environ | defaults | environment
    values = {name: value for name, value in values.items() if value is not None}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=values)


def test_the_names_are_those_of_the_stub_and_nothing_else():
    assert dir(lth) == sorted(lth.__all__)
    assert {"Mask", "Trainer", "find_tickets", "prune_model", "datasets", "criteria"} <= set(dir(lth))
    assert not {"os", "sys", "lazy_loader", "annotations"} & set(dir(lth))
    assert 20 <= len(dir(lth)) <= 28


@pytest.mark.parametrize("name", lth.__all__)
def test_every_name_is_there_and_is_used_by_the_client(name):
    value = getattr(lth, name)
    assert re.search(rf"\blth\.{name}\b", CLIENT.read_text())
    if not hasattr(value, "__path__") and name != "criteria":
        assert value.__name__ == name
        assert value.__doc__


def test_the_client_runs(tmp_path):
    client.main(tmp_path)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="tickets"):
        lth.tickets  # noqa: B018


def test_the_import_loads_neither_tensorflow_nor_numpy():
    done = python("import sys, lthcore; print({'numpy', 'tensorflow', 'keras', 'pandas'} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


def mypy(file: Path) -> subprocess.CompletedProcess:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--follow-imports", "silent", str(file)]
    return subprocess.run(command, capture_output=True, text=True, cwd=CLIENT.parents[1])


def test_the_client_is_typed_as_type_checkers_see_it():
    done = mypy(CLIENT)
    assert done.returncode == 0, done.stdout


def test_a_wrong_use_is_found_by_type_checkers(tmp_path):
    (tmp_path / "wrong.py").write_text("import lthcore as lth\nlth.Mask({}).densty\nlth.prune_model(3)\n")
    done = mypy(tmp_path / "wrong.py")
    assert '"Mask" has no attribute "densty"' in done.stdout, done.stdout
    assert 'Missing positional argument "density"' in done.stdout


USE = "tf.function(lambda x: 2 * x, jit_compile=True)(tf.ones(3)); tf.ones((9, 9)) @ tf.ones((9, 9))\n"


def test_tensorflow_starts_with_the_settings_and_without_noise():
    done = python(
        f"import lthcore, os, keras\nimport tensorflow as tf\n{USE}"
        "from tensorflow.python.util._pywrap_util_port import IsMklEnabled\n"
        "print(IsMklEnabled(), os.environ['XLA_FLAGS'])"
    )
    assert done.stdout == "False --xla_cpu_prefer_vector_width=512\n"
    assert done.stderr == ""


def test_worker_processes_start_without_noise(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(
        "from lthcore.experiments.executors import processes\n"
        "import os\n"
        "def where(): import tensorflow as tf; tf.ones(3); return os.environ['TF_ENABLE_ONEDNN_OPTS']\n"
        "if __name__ == '__main__':\n"
        "    with processes.process_pool(1) as pool: print(pool.submit(where).result())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_what_is_no_noise_is_still_seen():
    done = python(
        "import lthcore, os, sys\n"
        "class Speaking:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tensorflow.python.tools':\n"
        "            sys.meta_path.remove(self)\n"
        "            os.write(2, b'E0000 00:00:1.1 7 a.cc:3] disk on fire\\nI0000 00:00:1.1 7 a.cc:3] hello\\n')\n"
        "            os.write(2, b'F0000 00:00:1.1 7 a.cc:3] no AVX'); os.abort()\n"
        "sys.meta_path.insert(0, Speaking())\n"
        "import tensorflow"
    )
    assert done.returncode < 0
    assert done.stderr.splitlines() == ["E0000 00:00:1.1 7 a.cc:3] disk on fire", "F0000 00:00:1.1 7 a.cc:3] no AVX"]


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        (b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n", True),
        (b"I0000 00:00:1795881492.155108    8192 cudart_stub.cc:31] Could not find cuda drivers on your mac\n", True),
        (b"W0000 00:00:1795881492.155108    8192 gpu_device.cc:2433] TensorFlow was not built with CUDA 10\n", True),
        (b"E0000 00:00:1795881509.093895    8192 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA\n", True),
        (b"E0000 00:00:1 8 cuda_fft.cc:467] Unable to register cuFFT factory: Attempting to register factory for "
         b"plugin cuFFT when one has already been registered\n", True),
        (b"E0000 00:00:1795881509.093895    8192 cuda_driver.cc:52] out of memory\n", False),
        (b"F0000 00:00:1795881643.720728    8916 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS\n", False),
        (b"Traceback (most recent call last):\n", False),
        (b"I wrote this myself\n", False),
    ],
)  # fmt: skip
def test_noise_is_what_says_nothing(line, noise):
    assert list(tensorflow_settings.without_noise([line])) == ([] if noise else [line])


def test_onednn_that_was_switched_on_by_an_earlier_import_is_told():
    # The variable stands for a processor on which oneDNN is on by default.
    done = python(
        "import os, keras\ndel os.environ['TF_ENABLE_ONEDNN_OPTS']\nimport lthcore\n"
        "print(os.environ['XLA_FLAGS'], os.environ.get('TF_ENABLE_ONEDNN_OPTS'))",
        TF_ENABLE_ONEDNN_OPTS="1",
    )
    assert "RuntimeWarning: TensorFlow was imported before lthcore and computes with oneDNN" in done.stderr
    assert "import lthcore before keras and tensorflow, or start with TF_ENABLE_ONEDNN_OPTS=0" in done.stderr
    assert done.stdout == "--xla_cpu_prefer_vector_width=512 None\n"


def test_onednn_that_is_off_though_tensorflow_came_first_is_recorded_as_off():
    done = python(
        "import os, tensorflow\ndel os.environ['TF_ENABLE_ONEDNN_OPTS']\nimport lthcore\n"
        "from lthcore.files import environment\nprint(environment.describe()['onednn'])",
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    assert done.stdout == "0\n"
    assert "RuntimeWarning" not in done.stderr


@pytest.mark.parametrize("asked", ["0", "1"])
def test_a_choice_of_ones_own_is_left_and_not_complained_of(asked):
    script = (
        "import os, sys\nsys.modules['tensorflow'] = os\nimport lthcore\nprint(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    done = python(script, TF_ENABLE_ONEDNN_OPTS=asked)
    assert (done.stdout, done.stderr) == (f"{asked}\n", "")


def test_flags_of_xla_that_are_set_already_stay():
    done = python("import lthcore, os; print(os.environ['XLA_FLAGS'])", XLA_FLAGS="--xla_cpu_enable_fast_math=false")
    assert done.stdout == "--xla_cpu_enable_fast_math=false --xla_cpu_prefer_vector_width=512\n"
    done = python("import lthcore, os; print(os.environ['XLA_FLAGS'])", XLA_FLAGS="--xla_cpu_prefer_vector_width=256")
    assert done.stdout == "--xla_cpu_prefer_vector_width=256\n"


def test_flags_of_xla_hold_when_tensorflow_was_imported_first():
    # XLA aborts at a flag it does not know, so it has read the flags only now.
    done = python(f"import tensorflow as tf, os\nos.environ['XLA_FLAGS'] = '--no_such_flag'\nimport lthcore\n{USE}")
    assert done.returncode != 0
    assert "Unknown flag" in done.stderr


def test_the_package_tells_type_checkers_that_it_is_typed():
    assert (Path(lth.__file__).parent / "py.typed").is_file()
    assert importlib.import_module("lthcore.pruning").criteria is lth.criteria
