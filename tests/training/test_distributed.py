"""Training under JAX, on several devices and hosts: the results of one device, and faults.

A process has one backend and one set of devices, so this file, run as a script, trains in processes
of its own what the tests look at.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from jax_for_tests import QUICK_COMPILATION
from records_for_tests import records_of

from common.errors import UserError
from common.evaluation.predictions import Predictions
from common.records.segments import MemoryRecords, Segments
from common.training import last_words
from common.training.model_files import MODEL_FILE, load_model
from common.training.options import TrainingOptions

if importlib.util.find_spec("jax") is None:
    pytest.skip("JAX is not installed", allow_module_level=True)

GENRES = ("Folk", "Jazz", "Rock")
SHAPE = (12, 6)
OPTIONS = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01, "balance": "weights"}
TOLERANCE = 1e-5  # relative; sums of float32 in another order, and the curves' six digits
HOSTS = 2


def segments(count: int) -> Segments:
    """Noise that is louder the higher the label; some genres are rarer than others."""
    rng = np.random.default_rng(count)
    label = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    noise = rng.integers(0, 100, (count, *SHAPE)) + 75 * label[:, None, None]
    return Segments(noise.astype(np.uint8), label, np.arange(count))


def build():
    """Build a network with augmentation, batch norm and dropout."""
    from keras import layers

    from common.nn.blocks import classifier, rectified
    from common.nn.perturbation import perturb
    from spectrogram_feature.layers import segments as inputs_of

    inputs, x = inputs_of(SHAPE, perturb(*SHAPE))
    x = layers.Dense(16, use_bias=False)(layers.Flatten()(x))
    return classifier(inputs, rectified(x), len(GENRES), 0.2, "toy")


def train(folder: Path, *callbacks, kind: type[MemoryRecords] = MemoryRecords, **options):
    """Train on 64 segments; of 21 for validation, 5 are in the last batch."""
    from common.training import hosts
    from common.training import train as training

    usual = training.make_callbacks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "make_callbacks", lambda *a: [*usual(*a), *callbacks])
        return training.train(
            "toy",
            build,
            records_of(segments(64), segments(21), GENRES, kind),
            folder=hosts.own_folder(folder),
            options=TrainingOptions(**{**OPTIONS, **options}),
        )


def predictions(model) -> Predictions:
    from common.evaluation.predictions import predict

    part = segments(21)
    return predict(model, records_of(part, part, GENRES), "test")


# ---- what runs in processes of its own ----


def on_one_and_two_devices(out: Path) -> None:
    """Train on two devices of a process, then on one; read a model of TensorFlow."""
    from common.training import devices

    train(out / "two")
    uses = {}
    for size in (7, 8, 9, 32):
        with devices.sharing(size):
            uses[size] = devices_in_use()
    (out / "uses.json").write_text(json.dumps(uses))
    devices.sharing = lambda *_: nullcontext()
    run = train(out / "one")
    predictions(run.model).save(out / "jax.npz")
    train(out / "resumed on one device")
    model, _ = load_model(out / "tensorflow" / MODEL_FILE)
    predictions(model).save(out / "tensorflow.npz")


def devices_in_use() -> int:
    import keras

    distribution = keras.distribution.distribution()
    return distribution.device_mesh.devices.size if distribution else 1


def on_two_hosts(out: Path) -> None:
    """Refuse what differs, then train, and kill process 1 in the third epoch."""
    from common.training import hosts

    refused = []
    for option in ({"seed": hosts.number()}, {"kind": Labelled}):
        with pytest.raises(UserError) as error:
            train(out / "refused", **option)
        refused.append(str(error.value))
    (out / f"refused-{hosts.number()}.json").write_text(json.dumps(refused))
    train(out / "hosts", killed_in_third_epoch())


class Labelled(MemoryRecords):
    """Records whose settings have the number of the process."""

    @property
    def settings(self):
        from common.training import hosts

        return {"records": {"shards": hosts.number()}}


def killed_in_third_epoch():
    import keras

    from common.training import hosts

    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if hosts.number() == 1 and self.model.optimizer.iterations == 18:
                os.kill(os.getpid(), signal.SIGKILL)

    return Kill()


def resumed_on_two_hosts(out: Path) -> None:
    train(out / "hosts")


def without_the_other_host(out: Path) -> None:
    raise AssertionError("only one process has appeared")


def script() -> None:
    from common import cli
    from common.quiet import import_tensorflow
    from common.training import hosts

    if sys.argv[1] == without_the_other_host.__name__:
        hosts.PATIENCE = 2
        hosts.join()

    def main() -> None:
        import_tensorflow()
        from common.training.devices import prepare_device

        print(prepare_device())
        with hosts.together():
            globals()[sys.argv[1]](Path(sys.argv[2]))

    cli.run_command(main)


# ---- the tests ----


def start(what, out: Path, number: int | None = None, port: int = 0, devices: int = 1):
    """Start this file in another process."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "KERAS_BACKEND": "jax"}
    env |= QUICK_COMPILATION
    env["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={devices}"
    if number is not None:
        env["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = f"127.0.0.1:{port}"
        env["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(HOSTS)
        env["KERAS_DISTRIBUTION_PROCESS_ID"] = str(number)
    command = [sys.executable, __file__, what.__name__, str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=env, **pipes)


def start_hosts(what, out: Path) -> list[subprocess.Popen]:
    port = free_port()
    return [start(what, out, number, port) for number in range(HOSTS)]


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def finish(process: subprocess.Popen) -> tuple[int, str, list[str]]:
    """Wait; return the exit status, the output, and the lines of errors without progress."""
    output, errors = process.communicate(timeout=900)
    lines = [line for line in re.split(r"[\r\n]+", errors) if line and "batch" not in line]
    return process.returncode, output, lines


@pytest.fixture(scope="module")
def out(tf, tmp_path_factory) -> Path:
    """Folder of all trainings, of which the first is that of TensorFlow."""
    folder = tmp_path_factory.mktemp("trained")
    train(folder / "tensorflow")
    return folder


@pytest.fixture(scope="module")
def processes(out) -> dict[str, list]:
    """What all processes have printed; those of a line run at the same time."""
    lonely = [start(without_the_other_host, out, 1, free_port())]
    pair = start_hosts(on_two_hosts, out)
    found = {"pair": [finish(one) for one in pair], "lonely": [finish(one) for one in lonely]}
    for name in ("killed", "resumed on one device"):
        shutil.copytree(out / "hosts", out / name)
    again = start_hosts(resumed_on_two_hosts, out)
    alone = [start(on_one_and_two_devices, out, devices=2)]
    found |= {"again": [finish(one) for one in again], "alone": [finish(one) for one in alone]}
    for code, _, errors in found["again"] + found["alone"]:
        assert code == 0, errors
    return found


def assert_equal_curves(one: Path, other: Path, epochs: int = 3) -> None:
    from common.training.checkpoints import read_history

    expected, found = (read_history(folder).drop(columns="seconds") for folder in (one, other))
    assert list(found.index) == list(range(1, epochs + 1))
    assert found["loss"].iloc[-1] < found["loss"].iloc[0]
    np.testing.assert_allclose(found, expected.loc[found.index, found.columns], rtol=TOLERANCE)


def test_two_devices_learn_what_one_learns(processes, out):
    assert_equal_curves(out / "one", out / "two")


def test_as_many_devices_are_used_as_can_share_a_batch_equally(processes, out):
    uses = json.loads((out / "uses.json").read_text())
    assert uses == {"7": 1, "8": 2, "9": 1, "32": 2}


def test_two_hosts_learn_what_one_device_learns(processes, out):
    assert_equal_curves(out / "one", out / "killed", epochs=2)


def test_other_options_or_records_on_a_host_are_refused_on_all(processes, out):
    first, second = (json.loads((out / f"refused-{n}.json").read_text()) for n in range(HOSTS))
    assert first == second
    assert "process 1 has other settings than process 0 (options.seed was 0, now 1)" in first[0]
    assert "records.shards was 0, now 1" in first[1]
    assert not (out / "refused").exists()


def test_a_killed_process_ends_the_others_with_one_line(processes):
    (code, _, errors), (killed, _, _) = processes["pair"]
    assert killed == -signal.SIGKILL
    assert code not in (0, None)
    [line] = errors
    assert line.startswith("error: another process of this training has ended")


def test_hosts_resume_after_the_last_epoch_as_one_device_does(processes, out):
    assert_equal_curves(out / "resumed on one device", out / "hosts")
    before = (out / "killed" / "history.csv").read_text()
    assert (out / "hosts" / "history.csv").read_text().startswith(before)


def test_only_process_0_prints_and_writes(processes, out):
    (_, output, _), (_, other, errors) = processes["again"]
    assert "CPU, 2 processes, float32, JAX" in output
    assert other == ""
    assert errors == []


def test_a_process_that_meets_no_other_ends_with_one_line(processes):
    [(code, _, [line])] = processes["lonely"]
    assert code not in (0, None)
    assert line.startswith("error: not all 2 processes have joined at 127.0.0.1:")


POLLED = "E1127 21:56:58.7 8000 agent.cc:289] Polled an error from coordination service (this can"
FATAL = "F1127 21:56:58.8 8000 client.h:80] Terminating process because the JAX distributed service"
TRACE = (
    "detected fatal errors. RPC: /xla.coordination.CoordinationService/{}\n    @ 0x7f SendToLog()\n"
)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (f"{POLLED} be\n{FATAL} {TRACE.format('PollForError')}", "during\n"),
        (f"{FATAL} {TRACE.format('RegisterTask')}", "before\n"),
        (last_words.LOST.decode(), "during\n"),
        ("W1127 21:56:58.8 8000 other.cc:1] slow\n", "W1127 21:56:58.8 8000 other.cc:1] slow\n"),
    ],
)
def test_a_crash_report_of_jax_becomes_one_line(report, line):
    command = [sys.executable, last_words.__file__, "before", "during"]
    done = subprocess.run(command, input=f"1/2 {report}", capture_output=True, text=True)
    assert done.stderr == f"1/2 {line}"


@pytest.mark.parametrize("number", ["one", "2", ""])
def test_wrong_variables_are_named(monkeypatch, number):
    from common.training import hosts

    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    for name, value in zip(hosts.VARIABLES, ("host:1", "2", number), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"PROCESS_ID={number}: several processes need"):
        hosts.join()


def test_several_processes_need_jax(monkeypatch):
    from common.training import hosts

    monkeypatch.setenv(hosts.VARIABLES[0], "host:1")
    with pytest.raises(UserError, match="several processes need KERAS_BACKEND=jax"):
        hosts.join()


def test_a_model_of_one_backend_predicts_the_same_under_the_other(processes, out, tf):
    for name, folder in (("jax", "one"), ("tensorflow", "tensorflow")):
        model, _ = load_model(out / folder / MODEL_FILE)
        expected = Predictions.load(out / f"{name}.npz")
        np.testing.assert_allclose(predictions(model).probability, expected.probability, atol=1e-5)


if __name__ == "__main__":
    script()
