from __future__ import annotations

from nemo_docs.library.readers import READERS
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import LANGUAGES


def test_samples_are_one_readable_file_for_each_language() -> None:
    names = sorted(file.name for file in samples_folder().iterdir())
    assert names == sorted(f"udhr.{language}.txt" for language in LANGUAGES)
    assert all("." + name.rsplit(".", 1)[1] in READERS for name in names)
