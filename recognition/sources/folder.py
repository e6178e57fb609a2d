"""Files that the user has fetched by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recognition.sources.archives import gunzip
from recognition.sources.fetch import Failure, File, Progress, Streams, chunks


@dataclass(frozen=True)
class Folder:
    """A folder into which the user has put the files, gzipped or not."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        absent = []
        for file in wanted:
            if (path := self.path / file.name).is_file():
                with path.open("rb") as raw:
                    yield file, chunks(raw)
            elif (path := self.path / f"{file.name}.gz").is_file():
                with path.open("rb") as packed:
                    yield file, gunzip(chunks(packed), file.bytes)
            else:
                absent.append(file.name)
        if absent:
            raise Failure(f"put {', '.join(absent)} there, .gz or unpacked")
