"""Where things are kept: settings, library, models, key/value blocks, logs.

The platform's own folders, or all of them under `NEMO_DOCS_HOME`. Looking a path up touches no disk beyond asking
whether `NEMO_DOCS_HOME` is a folder; folders are made when something is first written, readable by their owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.errors import SettingsError

_APP = "nemo-docs"


@dataclass(frozen=True, slots=True)
class Paths:
    """Files and folders of one user; none of them need exist."""

    config: Path
    """The settings, a TOML file."""
    library: Path
    """The SQLite database of documents."""
    models: Path
    """Folder with one folder for each model."""
    kv: Path
    """Folder of stored key/value blocks. They can be computed again, so it is a cache."""
    state: Path
    """Folder of logs and of what is remembered between runs."""

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """Return the paths that `NEMO_DOCS_HOME` asks for, or the platform's.

        Raises:
            SettingsError: `NEMO_DOCS_HOME` exists and is not a folder.
        """
        home = (os.environ if environ is None else environ).get("NEMO_DOCS_HOME", "")
        if home:
            return cls._under(expanded(home).absolute())
        import platformdirs  # 15 ms: not for those who set a home

        data = platformdirs.user_data_path(_APP, appauthor=False)
        return cls(
            config=platformdirs.user_config_path(_APP, appauthor=False) / "config.toml",
            library=data / "library.db",
            models=data / "models",
            kv=platformdirs.user_cache_path(_APP, appauthor=False) / "kv",
            state=platformdirs.user_state_path(_APP, appauthor=False),
        )

    @classmethod
    def _under(cls, home: Path) -> Paths:
        if home.exists() and not home.is_dir():
            raise SettingsError(
                f"NEMO_DOCS_HOME is {home}, which is not a folder.", hint="Set it to a folder, or unset it."
            )
        return cls(
            config=home / "config.toml",
            library=home / "library.db",
            models=home / "models",
            kv=home / "kv",
            state=home / "state",
        )


def expanded(text: str) -> Path:
    """A path as a user types it: `~` is his home; `~name` of nobody stays as it is, and then is not there."""
    return Path(os.path.expanduser(text))


def private_folder(folder: Path) -> Path:
    """Make `folder` and its missing parents, readable by their owner alone (0700), and return it.

    Raises:
        SettingsError: Something else is in the way, or the place cannot be written.
    """
    missing = [folder]
    while not missing[-1].exists() and missing[-1].parent != missing[-1]:
        missing.append(missing[-1].parent)
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be made: {error.strerror or error}.",
            hint="Set NEMO_DOCS_HOME to a folder that you can write.",
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(
            f"The folder {folder} cannot be written.", hint="Change its mode, or set NEMO_DOCS_HOME to another folder."
        )
    return folder


def write_private(path: Path, text: str) -> None:
    """Replace a file whole: readable by its owner alone (0600), and after a crash the old text or the new one.

    A link stays a link: what it leads to is replaced. The folder must be there (`private_folder`).

    Raises:
        OSError: It cannot be written; the old file stays, and nothing beside it.
    """
    import tempfile

    target = Path(os.path.realpath(path))
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
