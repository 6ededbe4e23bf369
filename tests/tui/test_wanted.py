"""What was to be added is taken over once, by one, and only from processes that have ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

from nemo_docs.tui.wanted import Drop, Wanted

DROPS = [Drop(("/a/b", "/c\udcff.txt")), Drop(("/d",), ("Deeds",), ("drafts/",))]
KEEP = "import sys; from pathlib import Path; from nemo_docs.tui.wanted import Drop, Wanted\n"
KEEP += "drops = [Drop(('/a/b', '/c\\udcff.txt')), Drop(('/d',), ('Deeds',), ('drafts/',))]\n"
KEEP += "Wanted(Path(sys.argv[1])).keep(drops, 1)\n"


def left_by_another(state: Path) -> None:
    subprocess.run([sys.executable, "-c", KEEP, str(state)], check=True)


def test_what_a_process_left_is_taken_over_once(tmp_path: Path) -> None:
    left_by_another(tmp_path)
    left_by_another(tmp_path)
    assert Wanted(tmp_path).take_over() == DROPS * 2
    assert Wanted(tmp_path).take_over() == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_wants_is_its_own(tmp_path: Path) -> None:
    mine = Wanted(tmp_path)
    mine.keep(DROPS, 1)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert mine.take_over() == []
    parent = psutil.Process().parent()
    assert parent is not None
    kept = {**json.loads(file.read_text()), "started": parent.create_time()}
    (tmp_path / f"adding-{parent.pid}.json").write_text(json.dumps(kept))
    assert mine.take_over() == []
    kept["started"] -= 100.0  # another process had that number
    (tmp_path / f"adding-{parent.pid}.json").write_text(json.dumps(kept))
    assert mine.take_over() == DROPS
    assert [each.name for each in tmp_path.iterdir()] == [f"adding-{os.getpid()}.json"]


def test_the_newest_order_holds_and_nothing_wanted_is_no_file(tmp_path: Path) -> None:
    mine = Wanted(tmp_path / "state")
    mine.keep(DROPS, 2)
    mine.keep([], 1)
    assert json.loads(next((tmp_path / "state").iterdir()).read_text())["drops"] == json.loads(json.dumps(DROPS))
    mine.keep([], 3)
    assert list((tmp_path / "state").iterdir()) == []


def test_what_the_first_version_kept_is_taken_over(tmp_path: Path) -> None:
    left_by_another(tmp_path)
    (file,) = tmp_path.iterdir()
    kept = {**json.loads(file.read_text()), "v": 1, "drops": [["/a/b"], ["/d"]]}
    file.write_text(json.dumps(kept))
    assert Wanted(tmp_path).take_over() == [Drop(("/a/b",)), Drop(("/d",))]


def test_damaged_files_are_passed_over(tmp_path: Path) -> None:
    for number, text in enumerate(["", "[]", "null", '{"drops": 1, "started": 2.0}', '{"started": null}']):
        (tmp_path / f"adding-{99_999_000 + number}.json").write_text(text)
    (tmp_path / "adding-x.json").write_text("{}")
    assert Wanted(tmp_path).take_over() == []
    assert Wanted(tmp_path / "nowhere").take_over() == []
