"""Errors that the user can correct, with messages of one line."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """An error that the user can correct. The message names problem, place and remedy."""


class FileError(UserError):
    """A file that cannot be used, with the reason."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        """Return the message: file and reason."""
        return f"{self.path}: {self.reason}"


class AudioError(FileError):
    """An audio file that cannot be used."""


class AudioMissing(AudioError):
    """A file that does not exist."""


class AudioEmpty(AudioError):
    """A file without bytes or samples."""


class AudioSilent(AudioEmpty):
    """The samples hold no sound."""


class AudioTooShort(AudioError):
    """A file that decodes to fewer samples than requested."""


class AudioUndecodable(AudioError):
    """A file that is not audio, or is damaged beyond decoding."""
