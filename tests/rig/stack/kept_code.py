"""Keeps what is in the functions' zips unpacked and compiled, for every cold start and stack. Runs inside MiniStack.

All zips share most of their packages. To unpack them, and to compile what is imported of them, is half of what a cold
start takes here; AWS has a machine for each function.
"""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace


def install(lambda_runtime: ModuleType, folder: Path, expect: Callable[[bool, str], None]) -> None:
    """Let workers find each package of their zip in `folder`, under a hash of all that it holds."""
    folder.mkdir(parents=True, exist_ok=True)

    class Zip(zipfile.ZipFile):
        def extractall(self, path: object = None, *_: object) -> None:
            target = Path(str(path))
            packages: dict[str, list[zipfile.ZipInfo]] = {}
            for entry in self.infolist():
                packages.setdefault(entry.filename.split("/")[0], []).append(entry)
            for name, entries in packages.items():
                (target / name).symlink_to(self._kept(entries) / name)

        def _kept(self, entries: Iterable[zipfile.ZipInfo]) -> Path:
            held = [(entry.filename, entry.CRC, entry.file_size) for entry in entries]
            kept = folder / hashlib.sha256(repr(held).encode()).hexdigest()[:32]
            if not kept.exists():
                unpacked = Path(tempfile.mkdtemp(dir=folder))
                super().extractall(unpacked, entries)
                try:
                    unpacked.rename(kept)
                except OSError:
                    # Another stack was faster.
                    shutil.rmtree(unpacked)
            return kept

    named = vars(lambda_runtime)
    expect(named["zipfile"] is zipfile, "keeping code")
    named["zipfile"] = SimpleNamespace(ZipFile=Zip, BadZipFile=zipfile.BadZipFile)
