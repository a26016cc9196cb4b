"""Copy standard input to standard error, but replace a crash report of JAX by one line.

If another process of a training ends, or does not appear, JAX prints a stack trace and ends the
process at once, before Python can catch an error. `common.training.hosts` runs this file as a
script with its standard error as input:

``python last_words.py TEXT_BEFORE TEXT_DURING``, the messages before and during the training.
"""

from __future__ import annotations

import os
import re
import sys

CRASH = re.compile(rb"[EF]\d{4} [^\n]*(coordination service|JAX distributed service)")
NO_MEETING = b"RegisterTask"
"""Part of the report of a process that could not join the others."""

LOST = b"\0lost\0"
"""Sign that the process itself has noticed the end of another process."""


def main(before: str, during: str) -> None:
    """Copy until the input ends; the arguments are the messages."""
    while content := os.read(0, 1 << 20):
        crash = CRASH.search(content)
        start = crash.start() if crash else content.find(LOST)
        if start < 0:
            os.write(2, content)
            continue
        os.write(2, content[:start])
        while rest := os.read(0, 1 << 20):  # the stack trace
            content += rest
        message = before if NO_MEETING in content else during
        os.write(2, f"{message}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
