"""Static files as they are served: style sheets are minified when they are collected, then hashed and compressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rcssmin
from whitenoise.storage import CompressedManifestStaticFilesStorage

OWN_FOLDERS = ("newsletter/", "workers/")
"""Style sheets of other packages are served as they come."""


class MinifyingStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Minify the collected copies first, then hash and compress them.

        Django hashes the file that `paths` names, which is the source. For a minified file it has to be the collected copy.
        """
        if dry_run:
            return
        for name in [name for name in paths if name.endswith(".css") and name.startswith(OWN_FOLDERS)]:
            _minify(Path(self.path(name)))
            paths[name] = (self, name)
        yield from super().post_process(paths, dry_run, **options)


def _minify(file: Path) -> None:
    if file.is_symlink():  # `collectstatic --link`: the file is the source
        return
    file.write_text(rcssmin.cssmin(file.read_text(encoding="utf-8")), encoding="utf-8")
