"""Import of pictures made elsewhere: what comes in, what is refused, and what is said."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fma_for_tests import write_tracks_csv
from pictures_for_tests import (
    FRAME,
    GENRES,
    HEIGHT,
    WIDTH,
    framed,
    import_here,
    painted,
    some_levels,
    write_genres,
)
from PIL import Image

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.paths import PROJECT_ROOT
from common.records.shards import PLAN
from common.records.tfrecords import FAILURES
from common.tables import read_table
from spectrogram_image.images.folder import ImageSet, image_path, read_pixels, read_tables
from spectrogram_image.import_images import main

FMA_SMALL = PROJECT_ROOT.parent / "shared" / "fma_small_mel" / "mel"


def pixels_by_name(out: Path) -> dict[str, np.ndarray]:
    """Read the images of an import: genre and name of the picture without a suffix → pixels."""
    images = ImageSet.read(out)
    tables = read_tables(out, images.genres)
    names = read_table(out / PLAN, "track_id")["path"]
    return {
        names[track].rpartition(".")[0]: read_pixels(image_path(out, track), images)
        for track in tables.index
        if image_path(out, track).exists()
    }


def assert_levels(out: Path, expected: dict[str, np.ndarray], at_most: float = 0) -> None:
    found = pixels_by_name(out)
    assert found.keys() == expected.keys()
    for name, levels in found.items():
        assert np.abs(levels.astype(int) - expected[name]).mean() <= at_most, name


def reasons(out: Path) -> dict[str, str]:
    """Give the failures of an import: name → reason."""
    names = read_table(out / PLAN, "track_id")["path"]
    failures = read_table(out / FAILURES, "track_id")["reason"]
    return {names[track]: reason for track, reason in failures.items()}


# --- Pixels --------------------------------------------------------------------------------------


def test_grey_pictures_are_levels_as_they_are(tmp_path):
    made = write_genres(tmp_path / "pictures")
    images, notes = import_here(tmp_path / "pictures", tmp_path / "set" / "mel")
    assert_levels(tmp_path / "set" / "mel", made)
    assert images.kind == "mel"
    assert images.parameters.cmap == "gray"
    assert sum(images.images.values()) == len(made)
    assert "grey, taken as levels" in notes


@pytest.mark.parametrize("cmap", ["viridis", "magma", "jet", "gist_ncar", "Blues"])
def test_colours_of_a_colour_map_become_levels_again(tmp_path, cmap):
    made = write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: painted(levels, cmap).save(f"{path}.png"),
    )
    images, notes = import_here(tmp_path / "pictures", tmp_path / "out")
    assert images.parameters.cmap == cmap
    assert images.origin["colormap"]["exact"] == 1
    assert f"levels of {cmap}; 100.00% of the sampled pixels" in notes
    distinct = len(
        np.unique(np.frombuffer(bytes.fromhex(images.palette), np.uint8).reshape(-1, 3), axis=0)
    )
    assert_levels(tmp_path / "out", made, at_most=0 if distinct == 256 else 1)


def test_colours_of_matplotlib_itself_become_levels_again(tmp_path):
    import matplotlib.pyplot as plt

    def save(path, levels):
        plt.imsave(f"{path}.png", levels, cmap="plasma", vmin=0, vmax=255)

    made = write_genres(tmp_path / "pictures", save=save)
    import_here(tmp_path / "pictures", tmp_path / "out")
    assert_levels(tmp_path / "out", made, at_most=0.5)  # its channels are not rounded but truncated


def test_named_map_turns_levels_the_other_way(tmp_path):
    made = write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: painted(levels, "magma").save(f"{path}.png"),
    )
    import_here(tmp_path / "pictures", tmp_path / "out", cmap="magma_r")
    assert_levels(tmp_path / "out", {name: 255 - levels for name, levels in made.items()})
    with pytest.raises(
        UserError, match=r"of the sampled pixels have colours of hot, .* name another map"
    ):
        import_here(tmp_path / "pictures", tmp_path / "hot", cmap="hot")


def test_jpegs_are_less_exact_and_the_notes_say_so(tmp_path):
    made = write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: painted(levels, "magma").save(f"{path}.jpg", quality=90),
    )
    images, notes = import_here(tmp_path / "pictures", tmp_path / "out")
    assert images.parameters.cmap == "magma"
    assert images.origin["colormap"]["exact"] < 0.5
    assert images.origin["colormap"]["distance"] > 3
    assert "The levels are approximate" in notes
    assert_levels(tmp_path / "out", made, at_most=10)


def noise_in_colour(path: Path, levels: np.ndarray) -> None:
    channels = np.stack([levels, levels[::-1], np.roll(levels, 5)], axis=2)
    Image.fromarray(channels).save(f"{path}.png")


def test_other_pictures_stay_in_colours(tmp_path):
    made = write_genres(tmp_path / "pictures", save=noise_in_colour)
    images, notes = import_here(tmp_path / "pictures", tmp_path / "out")
    assert images.palette == images.parameters.cmap == ""
    assert "Pixels: colours, three bytes each" in notes
    found = pixels_by_name(tmp_path / "out")
    for name, levels in made.items():
        np.testing.assert_array_equal(found[name][..., 0], levels)
        np.testing.assert_array_equal(found[name][..., 1], levels[::-1])
    with pytest.raises(UserError, match="--paint magma needs levels"):
        import_here(tmp_path / "pictures", tmp_path / "painted", paint="magma")


def test_levels_can_be_painted_and_colours_kept(tmp_path):
    made = write_genres(tmp_path / "pictures")
    images, _ = import_here(tmp_path / "pictures", tmp_path / "painted", paint="viridis")
    assert images.parameters.cmap == "viridis"
    assert_levels(tmp_path / "painted", made)
    import_here(tmp_path / "pictures", tmp_path / "colours", cmap="none")
    in_colours = {name: np.repeat(levels[..., None], 3, 2) for name, levels in made.items()}
    assert_levels(tmp_path / "colours", in_colours)


def deep(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels.astype(np.uint16) * 257)


def transparent(levels: np.ndarray) -> Image.Image:
    image = painted(levels, "gray").convert("RGBA")
    image.putalpha(Image.fromarray(np.where(levels > 128, 255, 0).astype(np.uint8)))
    return image


@pytest.mark.parametrize(
    ("suffix", "convert", "expected"),
    [
        ("png", deep, lambda levels: levels),
        ("png", lambda levels: painted(levels, "gray").quantize(256), None),
        ("png", lambda levels: painted(levels, "gray").convert("RGBA"), lambda levels: levels),
        ("png", lambda levels: Image.fromarray(levels).convert("LA"), lambda levels: levels),
        ("png", transparent, lambda levels: np.where(levels > 128, levels, 255)),
        ("gif", Image.fromarray, lambda levels: levels),
        ("bmp", Image.fromarray, lambda levels: levels),
        ("webp", lambda levels: painted(levels, "gray"), None),
    ],
)
def test_formats_and_modes_become_levels(tmp_path, suffix, convert, expected):
    made = write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: convert(levels).save(f"{path}.{suffix}"),
    )
    images, _ = import_here(tmp_path / "pictures", tmp_path / "out")
    assert images.parameters.cmap == "gray"
    same = expected or (lambda levels: levels)
    wanted = {name: same(levels) for name, levels in made.items()}
    assert_levels(tmp_path / "out", wanted, at_most=0 if expected else 8)


def test_first_frame_of_an_animation_is_taken(tmp_path):
    def save(path, levels):
        first, second = Image.fromarray(levels), Image.fromarray(levels[::-1].copy())
        first.save(f"{path}.gif", save_all=True, append_images=[second])

    made = write_genres(tmp_path / "pictures", save=save)
    import_here(tmp_path / "pictures", tmp_path / "out")
    assert_levels(tmp_path / "out", made)


# --- Margins and sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize("cmap", ["viridis", "magma", "gray"])
def test_crop_is_proposed_where_pictures_have_margins(tmp_path, cmap):
    numbers = iter(range(100))
    made = write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: framed(painted(levels, cmap), next(numbers)).save(f"{path}.png"),
    )
    proposal = ",".join(map(str, FRAME))
    with pytest.raises(UserError, match=f"have a margin: cut off about --crop {proposal} "):
        import_here(tmp_path / "pictures", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    import_here(tmp_path / "pictures", tmp_path / "out", crop=FRAME)
    assert_levels(tmp_path / "out", made, at_most=0.1 if cmap == "viridis" else 0)


def test_margins_can_be_kept(tmp_path):
    write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: framed(painted(levels, "gray"), 0).save(f"{path}.png"),
    )
    images, _ = import_here(tmp_path / "pictures", tmp_path / "out", crop=(0, 0, 0, 0))
    assert (images.parameters.width, images.parameters.height) == (WIDTH + 31, HEIGHT + 26)


def test_crop_larger_than_the_pictures_is_refused(tmp_path):
    write_genres(tmp_path / "pictures")
    with pytest.raises(UserError, match="40 × 24 pixels, no more than --crop cuts off"):
        import_here(tmp_path / "pictures", tmp_path / "out", crop=(20, 0, 20, 0))


def test_other_sizes_become_the_most_frequent_one_as_levels(tmp_path):
    write_genres(
        tmp_path / "pictures",
        save=lambda path, levels: painted(levels, "jet").save(f"{path}.png"),
    )
    steps = np.repeat(np.array([0, 255], np.uint8), WIDTH)[None].repeat(HEIGHT, axis=0)
    painted(steps, "jet").save(tmp_path / "pictures" / "Techno" / "wide.png")
    images, notes = import_here(tmp_path / "pictures", tmp_path / "out")
    assert (images.parameters.width, images.parameters.height) == (WIDTH, HEIGHT)
    assert "1 of 17 pictures had other sizes and were resized to 40 × 24 pixels" in notes
    wide = pixels_by_name(tmp_path / "out")["Techno/wide"]
    assert set(np.unique(wide[:, : WIDTH // 2 - 1])) == {0}
    assert set(np.unique(wide[:, WIDTH // 2 + 1 :])) == {255}
    images, notes = import_here(tmp_path / "pictures", tmp_path / "small", size=(20, 12))
    assert pixels_by_name(tmp_path / "small")["Techno/wide"].shape == (12, 20)
    assert "17 of 17 pictures had other sizes" in notes


# --- Splits, ids and tables ----------------------------------------------------------------------


def test_splits_by_name_are_repeatable_and_come_with_a_warning(tmp_path):
    write_genres(tmp_path / "pictures", each=20)
    tables = []
    for name in ("first", "second"):
        images, notes = import_here(tmp_path / "pictures", tmp_path / name)
        assert images.images == {"training": 32, "validation": 4, "test": 4}
        assert "warning: the artists of 40 tracks are unknown" in notes
        assert images.origin["splits"] == "made, seed 0"
        tables.append((tmp_path / name / PLAN).read_text())
    assert tables[0] == tables[1]
    plan = read_table(tmp_path / "first" / PLAN, "track_id")
    assert list(plan.index) == list(range(1, 41))
    assert list(plan["path"]) == sorted(plan["path"])
    import_here(tmp_path / "pictures", tmp_path / "third", seed=1)
    assert (tmp_path / "third" / PLAN).read_text() != tables[0]


def write_csv(folder: Path, **columns) -> Path:
    """Write the pictures of the genres, and a CSV with further columns from their numbers."""
    made = write_genres(folder, each=9)
    table = pd.DataFrame({"path": [f"{name}.png" for name in made]})
    table["genre"] = table["path"].str.split("/").str[0]
    for name, value in columns.items():
        table[name] = [value(number) for number in range(len(table))]
    table.to_csv(folder / "pictures.csv", index=False)
    return folder / "pictures.csv"


def test_no_artist_is_in_two_splits(tmp_path):
    csv = write_csv(tmp_path / "pictures", artist=lambda number: f"artist {number // 2 % 4}")
    _, notes = import_here(csv, tmp_path / "out")
    plan = read_table(tmp_path / "out" / PLAN)
    assert len(plan.drop_duplicates(["artist", "split"])) == plan["artist"].nunique()
    assert set(plan["split"]) == set(SPLITS)
    assert "warning" not in notes


def test_splits_of_the_table_are_kept(tmp_path):
    csv = write_csv(tmp_path / "pictures", split=lambda number: SPLITS[number // 2 % 3])
    images, _ = import_here(csv, tmp_path / "out")
    assert images.origin["splits"] == "given"
    plan = read_table(tmp_path / "out" / PLAN)
    given = pd.read_csv(csv).sort_values("path")
    assert list(plan["split"]) == list(given["split"])


def write_fma(root: Path, tracks: dict[int, tuple[str, str]]) -> Path:
    rows = [
        (
            track,
            {("set", "split"): split, ("set", "subset"): "small", ("track", "genre_top"): genre},
        )
        for track, (split, genre) in tracks.items()
    ]
    rows.append((99, {("set", "split"): "test", ("set", "subset"): "medium"}))
    write_tracks_csv(root / "fma_metadata" / "tracks.csv", rows)
    folder = root / "pictures"
    for track in tracks:
        path = image_path(folder, track)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(some_levels(track)).save(path)
    return folder


def test_fma_gives_ids_genres_and_splits(tmp_path):
    tracks = {
        number: (SPLITS[max(0, number % 5 - 2)], GENRES[number // 5 % 2])
        for number in (*range(2, 22), 1002)
    }
    folder = write_fma(tmp_path, tracks)
    image_path(folder, 7).unlink()
    Image.fromarray(some_levels(500)).save(folder / "000" / "000500.png")
    images, notes = import_here(folder, tmp_path / "out")
    assert images.data_set == {"title": "FMA small", "subset": "small", "synthetic": False}
    assert "skipped: 1 pictures of no track of FMA small" in notes
    plan = read_table(tmp_path / "out" / PLAN, "track_id")
    assert {track: (row["split"], row["genre"]) for track, row in plan.iterrows()} == tracks
    assert reasons(tmp_path / "out") == {"000/000007.png": "no such file"}
    levels = pixels_by_name(tmp_path / "out")
    np.testing.assert_array_equal(levels["001/001002"], some_levels(1002))
    (tmp_path / "fma_metadata").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="name the table of genres and splits with --metadata"):
        import_here(folder, tmp_path / "again")
    import_here(folder, tmp_path / "again", metadata=tmp_path / "elsewhere")
    assert (tmp_path / "again" / PLAN).read_text() == (tmp_path / "out" / PLAN).read_text()


def test_names_may_be_ids_of_a_table(tmp_path):
    folder = write_fma(tmp_path, dict.fromkeys(range(1, 31), ("", "")))
    rows = [f"{n},{GENRES[n % 2]},{SPLITS[n // 2 % 3]},artist {n}" for n in range(1, 32)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["track_id,genre,split,artist", *rows]) + "\n")
    images, _ = import_here(folder, tmp_path / "out", metadata=table)
    assert images.data_set["title"] == "pictures"
    assert reasons(tmp_path / "out") == {"000/000031.png": "no such file"}
    plan = read_table(tmp_path / "out" / PLAN)
    assert list(plan["artist"]) == [f"artist {n}" for n in range(1, 32)]


@pytest.mark.skipif(not FMA_SMALL.is_dir(), reason="the pictures are not in ../shared")
def test_fma_small_comes_in_as_it_is(tmp_path):
    for track in (2, 5, 10, 140, 141, 148, 182, 190, 193, 194, 197, 200, 203, 204, 207):
        source = image_path(FMA_SMALL, track)
        if source.exists():
            target = image_path(tmp_path / "mel", track)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    metadata = FMA_SMALL.parents[1] / "fma_metadata"
    images, _ = import_here(tmp_path / "mel", tmp_path / "out", metadata=metadata)
    assert (len(images.genres), images.data_set["title"]) == (8, "FMA small")
    assert len(read_table(tmp_path / "out" / PLAN)) == 8000
    found = pixels_by_name(tmp_path / "out")
    assert len(found) > 5
    for name, levels in found.items():
        np.testing.assert_array_equal(levels, np.asarray(Image.open(FMA_SMALL / f"{name}.png")))


# --- Duplicates, flat and broken pictures --------------------------------------------------------


def test_copies_are_listed_and_stay_in_one_split(tmp_path):
    write_genres(tmp_path / "pictures", each=9)
    for number in range(6):
        Image.fromarray(some_levels(0)).save(
            tmp_path / "pictures" / "Chanson" / f"copy{number}.png"
        )
    _, notes = import_here(tmp_path / "pictures", tmp_path / "out")
    assert "pictures with the same pixels as an earlier one: 6" in notes
    copies = pd.read_csv(tmp_path / "out" / "duplicates.csv")
    assert set(copies["same_as_path"]) == {"Chanson/Chanson.00000.png"}
    assert (copies["split"] == copies["same_as_split"]).all()


def test_copies_in_two_splits_are_refused_unless_they_are_accepted(tmp_path):
    csv = write_csv(tmp_path / "pictures", split=lambda number: SPLITS[number // 2 % 3])
    Image.fromarray(some_levels(0)).save(tmp_path / "pictures" / "Techno" / "Techno.00001.png")
    with pytest.raises(UserError, match=r"in another split: 1; see .*--allow-duplicates"):
        import_here(csv, tmp_path / "out")
    assert not (tmp_path / "out" / "images.json").exists()
    images, notes = import_here(csv, tmp_path / "out", allow_duplicates=True)
    assert "1, 1 of them with another genre, 1 in another split" in notes
    assert images.origin["duplicates"] == 1


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.new("CMYK", (WIDTH, HEIGHT)).save(file, "JPEG")
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """Make a tiny PNG whose pixels take much memory."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_broken_pictures_cost_one_line_each_and_nothing_else(tmp_path):
    folder = tmp_path / "pictures"
    made = write_genres(folder, each=9)
    whole = (folder / "Techno" / "Techno.00000.png").read_bytes()
    broken = {
        "empty": (b"", "is empty"),
        "text": (b"no picture", "is not a picture"),
        "half": (whole[: len(whole) // 2], "cannot be read"),
        "changed": (whole[:200] + b"?" + whole[201:], "cannot be read"),
        "bomb": (png_of(20_000, 20_000), "too many"),
        "wide": (png_of(40_000, 1_000), "40000 × 1000 pixels, too many"),
        "print": (cmyk(), "CMYK"),
    }
    for name, (content, _) in broken.items():
        (folder / "Techno" / f"{name}.png").write_bytes(content)
    Image.new("L", (WIDTH, HEIGHT), 7).save(folder / "Techno" / "flat.png")
    painted(some_levels(1), "jet").save(folder / "Techno" / "colourful.png")
    (folder / "Techno" / "loop.png").symlink_to("loop.png")
    (folder / "Techno" / "again").symlink_to("..")
    (folder / "Techno" / "notes.txt").write_text("none")
    os.mkfifo(folder / "Techno" / "pipe.png")
    images, notes = import_here(folder, tmp_path / "out")
    expected = {f"Techno/{name}.png": reason for name, (_, reason) in broken.items()} | {
        "Techno/flat.png": "is flat",
        "Techno/colourful.png": "has colours",
        "Techno/loop.png": "no such file",
        "Techno/pipe.png": "is not a file",
    }
    found = reasons(tmp_path / "out")
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in found[name]
        assert "\n" not in found[name]
    assert f"pictures that cannot be used: {len(expected)} (" in notes
    assert "skipped: 1 linking to a folder" in notes
    assert "1 not pictures (.txt)" in notes
    assert_levels(tmp_path / "out", made)
    assert sum(images.images.values()) == len(made)


def test_names_may_be_anything_a_disk_takes(tmp_path):
    write_genres(tmp_path / "pictures", each=9)
    for number, name in enumerate(["two\nlines", 'comma, quote"', "ü-é", " blank "]):
        Image.fromarray(some_levels(70 + number)).save(
            tmp_path / "pictures" / "Techno" / f"{name}.png"
        )
    latin = tmp_path / "pictures" / "Techno" / os.fsdecode(b"latin-\xe9.png")
    with latin.open("wb") as file:
        Image.fromarray(some_levels(80)).save(file, "PNG")
    images, _ = import_here(tmp_path / "pictures", tmp_path / "out")
    assert sum(images.images.values()) == 23
    paths = read_table(tmp_path / "out" / PLAN)["path"]
    assert "Techno/two\\nlines.png" in set(paths)


def test_a_changed_picture_is_converted_again(tmp_path):
    folder = tmp_path / "pictures"
    made = write_genres(folder, each=9)
    broken = folder / "Techno" / "Techno.00003.png"
    broken.write_bytes(b"")
    import_here(folder, tmp_path / "out")
    assert list(reasons(tmp_path / "out")) == ["Techno/Techno.00003.png"]
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.png")}
    import_here(folder, tmp_path / "out")
    assert states == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.png")}
    Image.fromarray(made["Techno/Techno.00003"]).save(broken)
    image_path(tmp_path / "out", 1).write_bytes(b"damaged")
    import_here(folder, tmp_path / "out")
    assert reasons(tmp_path / "out") == {}
    assert_levels(tmp_path / "out", made)


def test_sources_are_not_changed(tmp_path):
    write_genres(tmp_path / "pictures", each=9)

    def states() -> dict:
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in (tmp_path / "pictures").rglob("*.png")
        }

    before = states()
    import_here(tmp_path / "pictures", tmp_path / "out")
    assert states() == before


# --- Mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cmap": "virids"}, "unknown colour map 'virids'"),
        ({"paint": "virids"}, "unknown colour map 'virids'"),
        ({"subset": "small"}, "does not have FMA's names"),
        ({"metadata": "tracks.csv"}, "does not have FMA's names"),
        ({"mapping": "merged"}, "does not have FMA's names"),
        ({"size": (0, 10)}, "--size .* is invalid"),
        ({"crop": (-1, 0, 0, 0)}, "--crop .* is invalid"),
        ({"crop": (3, 4)}, "--crop .* is invalid"),
        ({"seconds": float("nan")}, "--seconds nan"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    write_genres(tmp_path / "pictures", each=3)
    with pytest.raises(UserError, match=message) as error:
        import_here(tmp_path / "pictures", tmp_path / "out", **options)
    assert "\n" not in str(error.value)


def empty(folder: Path) -> Path:
    return folder


def without_genres(folder: Path) -> Path:
    Image.fromarray(some_levels(0)).save(folder / "one.png")
    return folder


def one_genre(folder: Path) -> Path:
    (folder / "Techno").mkdir()
    Image.fromarray(some_levels(0)).save(folder / "Techno" / "one.png")
    return folder


def too_few(folder: Path) -> Path:
    write_genres(folder, each=2)
    return folder


def only_broken(folder: Path) -> Path:
    for genre in GENRES:
        (folder / genre).mkdir()
        (folder / genre / "one.png").write_text("none")
    return folder


def table(text: str):
    def write(folder: Path) -> Path:
        write_genres(folder, each=3)
        (folder / "table.csv").write_text(text)
        return folder / "table.csv"

    return write


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty, "holds no pictures"),
        (without_genres, "holds 1 pictures but no folders of genres"),
        (one_genre, r"has fewer than two genres \(Techno\)"),
        (too_few, "too few tracks"),
        (only_broken, "none of 2 pictures .*is not a picture"),
        (lambda folder: folder / "missing", "there is no such folder or CSV"),
        (table("name,genre\na.png,Techno\n"), "lacks the column 'path'"),
        (table("path,genre\n"), "has no rows"),
        (table("path,genre\na.png,\n"), "row 2 has no genre"),
        (table("path,genre\n../a.png,Techno\n"), "is outside the folder of the CSV"),
        (table("path,genre\n/etc/a.png,Techno\n"), "is outside the folder of the CSV"),
        (table("path,genre,split\na.png,Techno,train\n"), "row 2 has the split 'train'"),
        (table("path,genre\na.png,Techno\n./a.png,Chanson\n"), "names a.png twice"),
        (
            table("path,genre,split\na.png,Techno,test\nb.png,Chanson,\n"),
            "row 3 has the split ''",
        ),
        (table("path,genre\na.png,Techno\nb.png,Chanson\n"), "none of 2 .*no such file"),
    ],
)
def test_sources_that_cannot_be_imported_are_one_line(tmp_path, make, message):
    (tmp_path / "pictures").mkdir()
    source = make(tmp_path / "pictures")
    with pytest.raises(UserError, match=message) as error:
        import_here(source, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_out_with_other_contents_is_refused(tmp_path):
    folder = tmp_path / "pictures"
    write_genres(folder, each=9)
    with pytest.raises(UserError, match=r"is inside .*choose a folder outside"):
        import_here(folder, folder / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("keep")
    with pytest.raises(UserError, match="holds other files"):
        import_here(folder, tmp_path / "full")
    import_here(folder, tmp_path / "out")
    with pytest.raises(UserError, match=r"other settings \(parameters.height was 24, now 12\)"):
        import_here(folder, tmp_path / "out", size=(20, 12))


# --- The command, and the steps that follow ------------------------------------------------------


def test_the_command_imports_and_names_the_next_step(tmp_path, monkeypatch, capsys):
    write_genres(tmp_path / "pictures", each=9)
    options = f"--out {tmp_path / 'out'} --crop 1,0,1,0 --size 20x12 --workers 1".split()
    monkeypatch.setattr("sys.argv", ["import_images", str(tmp_path / "pictures"), *options])
    main()
    shown = capsys.readouterr().out
    assert "2 genres, 20 × 12 pixels" in shown
    assert f"spectrogram_image.TFRecord_generation {tmp_path / 'out'}" in shown


@pytest.mark.parametrize("colours", [False, True], ids=["levels", "colours"])
def test_imported_pictures_are_recorded_and_trained_on(tf, tmp_path, colours):
    from common.training.options import TrainingOptions
    from spectrogram_image import TFRecord_generation, training
    from spectrogram_image.images import input_speed
    from spectrogram_image.images.records import ImageRecords

    folder, out = tmp_path / "pictures", tmp_path / "out"
    made = write_genres(folder, each=12, save=noise_in_colour if colours else None)
    import_here(folder, out)
    TFRecord_generation.generate(out, tmp_path / "records", workers=1)
    records = ImageRecords.open(tmp_path / "records", colors=colours)
    assert records.shape == (HEIGHT, WIDTH, 3 if colours else 1)
    names = read_table(out / PLAN, "track_id")["path"]
    seen = 0
    for split in SPLITS:
        for features, _, tracks in records.arrays(split):
            for pixels, track in zip(features, tracks, strict=True):
                name = names[int(track)].removesuffix(".png")
                np.testing.assert_array_equal(pixels[..., 0], made[name])
                seen += 1
    assert seen == len(made)
    sides = input_speed.all_sides(out, ImageRecords.open(tmp_path / "records"), 4)
    assert ("levels" in sides) is not colours
    if colours:
        with pytest.raises(UserError, match="have no levels: read their colours"):
            ImageRecords.open(tmp_path / "records", colors=False)
        options = TrainingOptions(epochs=1, batch_size=4, augment="LD")
        run = training.train_model(
            records, folder=tmp_path / "model", options=options, width=4, depth=1
        )
        assert run.model.input_shape == (None, *records.shape)
        assert len(training.judge_baselines(records)) == 2
