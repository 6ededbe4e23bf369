"""What is left alone in folders: patterns as in .gitignore, given by the user or in a file of the folder.

A file named .nemoignore holds for its folder and all below it; deeper ones come first, and a pattern with `!` takes
back. What the user says on the spot comes before all of them. A .gitignore is not asked: it says what is not to be kept
in git, and that is often the very PDF that somebody wants to read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from nemo_docs.errors import UsageError

IGNORE_FILE = ".nemoignore"
"""The name of the file with patterns."""
_LONGEST_FILE = 1 << 20
_Spec = tuple[str, GitIgnoreSpec]


@dataclass(frozen=True)
class Rules:
    """The patterns that hold in a folder, each with the folder that it is relative to.

    Attributes:
        given: The user's; they count most.
        found: Those of files, the deepest first.
    """

    given: tuple[_Spec, ...] = ()
    found: tuple[_Spec, ...] = ()

    @classmethod
    def of(cls, folder: str, excludes: Sequence[str]) -> Rules:
        """Those of the user.

        Args:
            folder: Absolute path; what is left alone stands in it.
            excludes: Patterns.

        Raises:
            UsageError: If one of them is no pattern.
        """
        if not excludes:
            return cls()
        try:
            return cls(((folder, GitIgnoreSpec.from_lines(excludes)),))
        except ValueError as error:
            raise UsageError(f"{error}", hint="Patterns are those of .gitignore: *.tmp, drafts/, !keep.pdf.") from error

    def within(self, folder: str) -> Rules:
        """These, and those of the file that stands in a folder."""
        try:
            with open(os.path.join(folder, IGNORE_FILE), encoding="utf-8", errors="replace") as file:
                spec = GitIgnoreSpec.from_lines(file.read(_LONGEST_FILE).splitlines())
        except (OSError, ValueError):  # there is none, or none that says anything
            return self
        return Rules(self.given, ((folder, spec), *self.found))

    def exclude(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether something is left alone.

        Args:
            path: Absolute path.
            is_folder: Whether it is a folder.
        """
        for base, spec in (*self.given, *self.found):
            relative = os.path.relpath(path, base).replace(os.sep, "/")
            if (is_named := spec.check_file(f"{relative}/" if is_folder else relative).include) is not None:
                return is_named
        return False
