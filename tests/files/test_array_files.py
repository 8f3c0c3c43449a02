"""Archives: whole or absent, and believed only with their checksum."""

from __future__ import annotations

import os
import stat

import faults
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


def test_whatever_became_of_a_file_is_one_kind_of_error_or_none(tmp_path):
    path = tmp_path / "file.npz"
    array_files.write(path, {"step": np.arange(300), "loss": np.linspace(0, 1, 300)})
    whole = path.read_bytes()
    for fault in (*faults.physical(whole, np.random.default_rng(1), 10), *faults.foreign(whole), *faults.greedy(whole)):
        fault.strike(path)
        try:
            back = array_files.read(path, limit=2**26)
        except DamagedFileError:
            continue
        np.testing.assert_array_equal(back["step"], np.arange(300), err_msg=fault.name)


@pytest.mark.parametrize("limit", [100, 2_000])
def test_more_than_a_reader_asks_for_is_not_unpacked(tmp_path, limit):
    path = tmp_path / "file.npz"
    array_files.write(path, {"step": np.zeros(10_000)})
    with pytest.raises(DamagedFileError, match=r"more than the (100|2,000) that such a file can have"):
        array_files.read(path, limit=limit)


def test_what_is_no_file_is_told_from_damage(tmp_path):
    with pytest.raises(IsADirectoryError):
        array_files.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        array_files.read(tmp_path / "nothing.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DamagedFileError, match="no plain file"):
        array_files.read(tmp_path / "pipe.npz")


def test_objects_are_not_written(tmp_path):
    with pytest.raises(TypeError, match="array 'x' holds object"):
        array_files.write(tmp_path / "file.npz", {"x": np.array([{}], dtype=object)})
    assert not list(tmp_path.iterdir())


def test_the_names_of_a_file_and_of_new_folders_are_brought_to_disk(tmp_path, monkeypatch):
    synced, sync = set(), os.fsync

    def fsync(handle: int) -> None:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            synced.add(about.st_ino)
        sync(handle)

    monkeypatch.setattr("os.fsync", fsync)
    path = tmp_path / "a" / "b" / "file.npz"
    array_files.write(path, {"x": np.arange(3)})
    assert {folder.stat().st_ino for folder in (tmp_path, tmp_path / "a", path.parent)} <= synced
