"""Archives: whole or absent, and believed only with their checksum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthcore.files import array_files
from lthcore.files.array_files import DamagedFileError

ARRAYS = st.dictionaries(
    st.sampled_from(["step", "initial/hidden_1/kernel", "mask:output|kernel", "dense/errors", "about"]),
    hnp.arrays(st.sampled_from([np.uint8, np.int32, np.float32, np.bool_]), hnp.array_shapes(max_dims=2, max_side=4)),
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(ARRAYS)
def test_what_was_written_is_read(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("archive") / "folder" / "file.npz"
    array_files.write(path, arrays)
    back = array_files.read(path)
    assert set(back) == set(arrays)
    assert all(np.array_equal(back[name], array, equal_nan=array.dtype.kind == "f") for name, array in arrays.items())


def test_another_content_under_the_old_checksum_is_refused(tmp_path):
    path = tmp_path / "file.npz"
    array_files.write(path, {"x": np.arange(3)})
    with np.load(path) as file:
        arrays = dict(file)
    np.savez_compressed(path, **{**arrays, "x": np.arange(1, 4)})
    with pytest.raises(ValueError, match="does not match its checksum"):
        array_files.read(path)


def test_an_archive_without_a_checksum_is_refused(tmp_path):
    path = tmp_path / "file.npz"
    np.savez_compressed(path, x=np.arange(3))
    with pytest.raises(DamagedFileError, match="lacks 'sha256'"):
        array_files.read(path)
