"""The names of results, and the store's size."""

import os

from recognition import store


def test_a_fingerprint_changes_with_each_part_and_with_nothing_else():
    assert store.fingerprint(3, "a") == store.fingerprint(3, "a")
    assert len({store.fingerprint(*parts) for parts in [(3, "a"), (3, "b"), (3,), ("3", "a"), ("a", 3)]}) == 5


def test_pruning_keeps_the_newest_files(tmp_path):
    for age, name in enumerate("dacbe"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(0, 10**18 - age))
    store.prune(tmp_path, newest=5)
    assert {path.name for path in tmp_path.iterdir()} == set("abcde")
    store.prune(tmp_path, newest=2)
    assert {path.name for path in tmp_path.iterdir()} == set("da")


def test_two_may_prune_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("removed meanwhile")  # listed, but not there when it is looked at
    store.prune(tmp_path, newest=0)
    assert not (tmp_path / "a").exists()
