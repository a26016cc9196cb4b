"""What can be wrong with the user's data, told in one line."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """Something that the user can mend, said in one line: what, where, what to do."""


class FileError(UserError):
    """A file that cannot be used.

    Attributes
    ----------
    path : path-like
    reason : str
        What is wrong, without the path.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Give the message: file and reason."""
        return f"{self.path}: {self.reason}"


class AudioError(FileError):
    """An audio file that cannot be used."""


class AudioMissing(AudioError):
    """There is no such file."""


class AudioEmpty(AudioError):
    """The file has no bytes, or decodes to no samples."""


class AudioSilent(AudioEmpty):
    """The samples hold no sound."""


class AudioTooShort(AudioError):
    """The file decodes to fewer samples than were asked for."""


class AudioUndecodable(AudioError):
    """The file is not audio, or is damaged beyond decoding."""
