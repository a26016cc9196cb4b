"""Console scripts: ``fma-predict`` runs ``python -m spectrogram_feature.predict``, and so on.

``python -m`` imports from the current folder first, where a file such as ``common.py`` hides the
project's package of that name. Console scripts do not import from the current folder.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

COMMANDS = {
    "fma-download": "data.download",
    "fma-import": "data.import_folder",
    "fma-import-images": "spectrogram_image.import_images",
    "fma-import-features": "spectrogram_feature.import_features",
    "fma-records": "spectrogram_feature.generate_records",
    "fma-train": "spectrogram_feature.training",
    "fma-predict": "spectrogram_feature.predict",
    "fma-export": "spectrogram_feature.export",
}


def main() -> None:
    """Run the command with the name of the script."""
    runpy.run_module(COMMANDS[Path(sys.argv[0]).stem], run_name="__main__")
