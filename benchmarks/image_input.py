"""How fast images reach a training: Keras' dataframe generator against records, in one run.

    python benchmarks/image_input.py IMAGES/KIND RECORDS [--rounds 5] [--batch-size 16]

All sides give batches of the same size in pixels, that of the records, of the training split in
its order, in turns. Keras' generator works in one thread, as ``fit`` runs it unless told otherwise,
and gives float32; the others use all cores and give uint8. Files that were read before are in the
system's memory on all sides: what a slow disk adds is not measured. Each side has run before it is
timed, and the first batch of a round is not counted.
"""

from __future__ import annotations

from pathlib import Path

from common import cli
from common.jobs import default_workers
from common.quiet import import_tensorflow
from spectrogram_image.image_folder import ImageSet
from spectrogram_image.image_input import SPLIT, all_sides, measure
from spectrogram_image.image_records import ImageRecords


def main() -> None:
    """Run the comparison and print rates, medians and ratios."""
    parser = cli.make_parser(
        "python benchmarks/image_input.py",
        "Compare Keras' dataframe generator with records of the same images.",
        "  python benchmarks/image_input.py data/images/demo-medium-half/mel \\\n"
        "      data/records/demo-medium-half-mel-quarter --rounds 9",
    )
    parser.add_argument("images", metavar="IMAGES/KIND", type=Path, help="folder of one kind")
    parser.add_argument("records", metavar="RECORDS", help="folder of records made of it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side in each round")
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    images = ImageSet.read(arguments.images)
    records = ImageRecords.open(arguments.records)
    import_tensorflow()
    sides = all_sides(arguments.images, records, arguments.batch_size)
    height, width, _ = records.shape
    print(
        f"{images.kind} of {images.data_set['title']}: {width} × {height} pixels "
        f"(files {images.parameters.width} × {images.parameters.height}), "
        f"{images.images[SPLIT]} images, batches of {arguments.batch_size}, "
        f"{default_workers()} cores"
    )
    rates = measure(sides, rounds=arguments.rounds, seconds=arguments.seconds)
    ratios = rates.div(rates["dataframe generator"], axis=0).median()
    for name, values in rates.items():
        listed = ", ".join(f"{value:.0f}" for value in values)
        print(
            f"{name:<20} {values.median():8.1f} images/s  ratio {ratios[name]:5.1f}  "
            f"(rounds: {listed})"
        )


if __name__ == "__main__":
    cli.run_command(main)
