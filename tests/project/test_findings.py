"""Sentences of the report's front page, computed from small CSV files, and its pictures."""

from __future__ import annotations

import base64
import io

import nbformat
import pandas as pd
import pytest
from PIL import Image

from common.evaluation.metrics import Score
from common.paths import PROJECT_ROOT
from common.tables import read_table
from tools import findings
from tools.pictures import THUMBNAIL, accuracy_figure, thumbnail

MODELS = """\
model,validation_accuracy,test_accuracy,test_accuracy_low,test_accuracy_high,\
gain_over_svm,gain_over_svm_low,gain_over_svm_high
Majority class,0.125,0.125,0.1,0.15,-0.325,-0.35,-0.3
SVM on row statistics,0.5,0.45,0.4,0.5,,,
cnn,0.6,{cnn},0.36,0.44,{gain}
gru,0.4,0.42,0.37,0.47,0.03,0.01,0.05
"""

JUDGED = """\
model,accuracy,gain_over_svm,gain_over_svm_low,gain_over_svm_high
SVM on row statistics,0.7,,,
cnn,0.6,0.04,0.02,0.06
gru,0.5,0.03,0.01,0.05
"""

ARTIST = """\
model,artist,tracks_of_artist,test_accuracy,of_artist,without_artist
SVM on row statistics,Loud,72,0.6,0.3,0.5
cnn,Loud,72,0.5,0.2,0.51
gru,Loud,72,0.4,0.1,0.4
"""

LOW_PASS = """\
model,test_accuracy,test_accuracy_low,test_accuracy_high,\
gain_over_svm,gain_over_svm_low,gain_over_svm_high
low-pass edge alone,0.2,{edge},0.25,-0.25,-0.3,-0.2
SVM on row statistics,0.45,0.4,0.5,,,
"SVM on row statistics, lower 90 bins",0.44,0.39,0.49,-0.01,-0.03,0.01
"""

LEADERBOARD = """\
model,track_accuracy,note
SVM on bin statistics,0.66,folds 59% to 74%
SVM on musicnn,0.76,folds 59% to 74%
average of these 2,0.7,+4.0 points [+1.0; +7.0] over nothing
cnn,0.64,"2 members; -2.0 points [-8.0, +5.0] over SVM on bin statistics"
texture,{}
"""


def table(tmp_path, text: str) -> pd.DataFrame:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read_table(path)


def plain(sentence: str) -> str:
    return sentence.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.2, "more accurate than"),
        (-0.2, -0.001, "less accurate than"),
        (-0.2, 0.0, "not significantly different from"),
        (0.0, 0.2, "not significantly different from"),
        (-0.1, 0.1, "not significantly different from"),
    ],
)
def test_the_interval_chooses_the_words(low, high, words):
    assert findings.relation(Score((low + high) / 2, low, high)) == words


@pytest.mark.parametrize(
    ("cnn", "gain", "words", "shown", "zero"),
    [
        (0.4, "-0.05,-0.08,-0.02", "less accurate than", "-5.0 points [-8.0, -2.0]", "excludes"),
        (0.5, "0.05,0.01,0.09", "more accurate than", "+5.0 points [+1.0, +9.0]", "excludes"),
        (
            0.46,
            "0.01,-0.01,0.03",
            "not significantly different from",
            "+1.0 points [-1.0, +3.0]",
            "includes",
        ),
    ],
)
def test_the_network_of_cross_validation_is_compared_on_test(
    tmp_path, cnn, gain, words, shown, zero
):
    models = table(tmp_path, MODELS.format(cnn=cnn, gain=gain))
    judged = table(tmp_path, JUDGED)
    assert plain(findings.compare_on_test(models, judged)) == (
        "**FMA small.** The network chosen by cross-validation (`cnn`, there +4.0 points [+2.0, "
        f"+6.0] over the SVM) reaches {100 * cnn:.1f} % [36.0, 44.0] on the test split and is "
        f"{words} the SVM (45.0 % [40.0, 50.0]): the paired difference is {shown}, an interval "
        f"that {zero} zero."
    )


def test_the_best_average_on_validation_is_compared_too(tmp_path):
    cells = {"model": ["SVM", "cnn", "average of cnn, gru", "average of cnn, 3 seeds"]}
    cells |= {"validation_accuracy": [0.5, 0.5, 0.6, 0.55], "gain_over_svm": [None, 0, 0.05, 0.1]}
    cells |= {"test_accuracy": [0.4, 0.4, 0.45, 0.5]}
    models = pd.DataFrame(cells)
    for name in ("test_accuracy", "gain_over_svm"):
        for end, width in (("low", -0.03), ("high", 0.03)):
            models[f"{name}_{end}"] = models[name].astype(float) + width
    assert plain(findings.compare_on_test(models, table(tmp_path, JUDGED))).endswith(
        " The best average on validation (cnn, gru, 45.0 % [42.0, 48.0]) is more accurate than the "
        "SVM: +5.0 points [+2.0, +8.0]."
    )


def test_networks_in_folds_are_compared_with_the_svm_of_their_leaderboard(tmp_path):
    texture = '0.69,"folds 5% to 9%; +3.0 points [-4.0, +8.0] over SVM on bin statistics"'
    averaged = '0.72,"4 members; +6.0 points [+2.0, +13.0] over SVM on bin statistics"'
    tables = [table(tmp_path, LEADERBOARD.format(cells)) for cells in (texture, averaged)]
    assert plain(findings.compare_in_folds(*tables)) == (
        "**Real music.** In cross-validation by artist, the most accurate network (`texture`, "
        "69.0 %) is not significantly different from the SVM (66.0 %): +3.0 points [-4.0, +8.0]; "
        "the most accurate mean of four networks (`texture`, 72.0 %) is more accurate than the SVM "
        "(66.0 %): +6.0 points [+2.0, +13.0]."
    )
    with pytest.raises(ValueError, match="has no gain over SVM on bin statistics"):
        findings.compare_in_folds(table(tmp_path, LEADERBOARD.format("0.9,no note")), tables[1])


def test_genres_are_ranked_by_f1():
    f1 = {"Folk": 0.2, "Pop": 0.3, "Rock": 0.6, "Jazz": 0.5, "Blues": 0.4}
    per_genre = pd.DataFrame({"genre": [*f1], "f1": [*f1.values()]})
    assert "highest for Rock (60.0 %) and Jazz (50.0 %), and lowest for Folk (20.0 %) and Pop" in (
        plain(findings.rank_genres(per_genre))
    )


def test_splits_are_compared_for_networks_and_svm(tmp_path):
    models = table(tmp_path, MODELS.format(cnn=0.4, gain="-0.05,-0.08,-0.02"))
    sentence = plain(findings.compare_splits(models, table(tmp_path, ARTIST)))
    assert sentence.endswith(
        "the accuracy changes by -20.0 to +2.0 points for the networks and by -5.0 points for the "
        "SVM. Loud, an artist of the test split alone, has 72 of its tracks: `cnn` predicts 20.0 % "
        "of them, and 51.0 % of the others."
    )


@pytest.mark.parametrize(
    ("edge", "words"), [(0.15, "more accurate than"), (0.1, "not significantly different from")]
)
def test_the_low_pass_edge_is_compared_with_chance(tmp_path, edge, words):
    models = table(tmp_path, MODELS.format(cnn=0.4, gain="-0.05,-0.08,-0.02"))
    low_pass = table(tmp_path, LOW_PASS.format(edge=edge))
    sentence = plain(findings.compare_edges(low_pass, models))
    assert (
        f"alone (20.0 % [{100 * edge:.1f}, 25.0]) is {words} the majority class (12.5 %)"
        in sentence
    )
    assert sentence.endswith(
        "(44.0 % [39.0, 49.0]) is not significantly different from the SVM on all bins "
        "(45.0 % [40.0, 50.0]): -1.0 points [-3.0, +1.0]."
    )


def test_test_tracks_and_gains_are_counted(tmp_path):
    folder = tmp_path / "fma_small"
    folder.mkdir()
    (folder / "models.csv").write_text(MODELS.format(cnn=0.4, gain="-0.05,-0.08,-0.02"))
    (folder / "per_genre.csv").write_text("genre,f1,tracks\nRock,0.5,30\nPop,0.4,20\n")
    assert findings.describe_test(tmp_path) == (
        "50 tracks. Networks more accurate than the SVM, by the paired intervals: 1 of 2; less "
        "accurate: 1."
    )


def test_the_committed_results_give_five_answers_and_a_figure_of_each_data_set():
    results = PROJECT_ROOT / "results"
    assert len(findings.answers(results)) == 5
    for name, accuracies in findings.accuracies(results).items():
        panel = accuracy_figure(accuracies, title=name).axes[0]
        shown = [label.get_text().replace("\n", " ") for label in panel.get_yticklabels()]
        ranked = accuracies.sort_values("accuracy", ascending=False, kind="stable")
        assert shown == [*ranked["model"]]
        assert len(set(shown)) == len(shown)


def figure_cell(width: int, height: int, **metadata: object) -> nbformat.NotebookNode:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(stream, "PNG")
    data = {"image/png": base64.b64encode(stream.getvalue()).decode()}
    output = nbformat.v4.new_output("display_data", data)
    return nbformat.v4.new_code_cell(outputs=[output], metadata=metadata)


def test_a_thumbnail_is_the_tagged_figure_or_the_largest():
    cells = [figure_cell(700, 100), figure_cell(600, 400), figure_cell(200, 400)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    small = thumbnail(notebook)
    assert (small.width, small.height) == (352, 235)
    assert small.width <= THUMBNAIL[0] and small.height <= THUMBNAIL[1]
    cells.append(figure_cell(100, 50, tags=["thumbnail"]))
    assert thumbnail(nbformat.v4.new_notebook(cells=cells)).size == (100, 50)
    assert thumbnail(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])) is None
