"""Fetching, checking and unpacking archives, against a server on this machine that misbehaves."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

from common.cli import run_command
from common.errors import UserError
from common.jobs.files import only_run_in
from common.paths import PROJECT_ROOT
from data import download
from data.fetching import archives, transfer

NOISE = np.random.default_rng(0).bytes(700_000)  # does not compress, as MP3 does not
CONTENTS = {
    "README.txt": b"toy\n",
    "000/000002.mp3": NOISE[:500_000],
    "000/000005.mp3": NOISE[500_000:],
    "001/001000.mp3": b"",
}
HALF = 400_000


class Server(ThreadingHTTPServer):
    """Serves `files`; each request takes the next of `moods`, or is served well."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.moods: list[str] = []
        self.log: list[tuple[str, str | None, int]] = []  # path, Range header, body bytes sent

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        body = server.files[self.path]
        mood = server.moods.pop(0) if server.moods else "well"
        asked = self.headers["Range"]
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if mood == "redirects":
            return self._answer(302, {"Location": "https://127.0.0.1:1/elsewhere"})
        if mood.isdigit():
            return self._answer(int(mood), {})
        if mood == "ignores Range" or not asked:
            return self._answer(200, {}, body, mood)
        if start >= len(body):
            extent = (
                {} if mood == "416 without length" else {"Content-Range": f"bytes */{len(body)}"}
            )
            return self._answer(416, extent)
        if mood == "from elsewhere":
            start += 1
        extent = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self._answer(206, {"Content-Range": extent}, body[start:], mood)

    def _answer(self, status, headers, body=b"", mood="well"):
        headers = {**headers, "Content-Length": len(body)}
        if mood == "breaks off":
            body = body[:HALF]
        elif mood == "sends wrong bytes":
            body = body[:-1] + bytes([body[-1] ^ 1])
        elif mood == "sends nothing":
            body = b""
        # Logged first: a client that wants no more of it goes on, or ends the writing.
        self.server.log.append((self.path, self.headers["Range"], len(body)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "RETRY_PAUSES", (0, 0))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_zip(members: dict, compression: int = zipfile.ZIP_BZIP2) -> bytes:
    """Zip members, whose names are strings or, for the devious ones, ZipInfo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content, compression)
    return buffer.getvalue()


def make_archive(
    server: Server, name: str = "fma_small", compression: int = zipfile.ZIP_BZIP2
) -> archives.Archive:
    """Serve an archive in FMA's layout."""
    content = make_zip({f"{name}/{path}": c for path, c in CONTENTS.items()}, compression)
    server.files[f"/{name}.zip"] = content
    sha1 = hashlib.sha1(content).hexdigest()
    return archives.Archive(name, f"{server.url}/{name}.zip", len(content), len(NOISE) + 4, sha1)


@pytest.fixture
def archive(server) -> archives.Archive:
    return make_archive(server)


@pytest.fixture
def content(server, archive) -> bytes:
    return server.files["/fma_small.zip"]


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_complete(root: Path, name: str = "fma_small") -> None:
    assert tree(root / name) == CONTENTS
    assert not list(root.rglob("*.part*"))


@pytest.mark.parametrize(
    "url",
    [
        "http://os.unil.cloud.switch.ch/fma/fma_small.zip",
        "http://127.0.0.1.example.org/fma_small.zip",
        "http://127.0.0.1@example.org/fma_small.zip",
        "ftp://127.0.0.1/fma_small.zip",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_nothing_is_fetched_but_by_https(tmp_path, monkeypatch, url):
    monkeypatch.setattr(transfer.requests.Session, "get", None)  # which must not be called
    with pytest.raises(UserError, match=f"{url} cannot be fetched: .* begin with https://"):
        transfer.fetch(url, tmp_path / "fma_small.zip")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1/fma_small.zip", "file:///etc/passwd", "ftp://127.0.0.1/a"]
)
def test_redirects_do_not_lead_away_from_https(tmp_path, monkeypatch, elsewhere):
    asked = []

    def redirect(self, request, **options):
        asked.append(request.url)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 302, request.url, request
        answer.headers["Location"], answer.raw = elsewhere, io.BytesIO()
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", redirect)
    with pytest.raises(UserError, match="cannot be fetched: No connection adapters"):
        transfer.fetch("https://example.org/fma_small.zip", tmp_path / "fma_small.zip")
    assert asked == ["https://example.org/fma_small.zip"]
    assert tree(tmp_path) == {}


def test_two_downloads_into_one_folder_do_not_meet(server, archive, tmp_path):
    with only_run_in(tmp_path), pytest.raises(UserError, match="another run is writing into"):
        download.download([archive], tmp_path)
    assert server.log == []
    download.download([archive], tmp_path)
    with only_run_in(tmp_path):  # which does not matter when there is nothing to do
        download.download([archive], tmp_path)
    assert_complete(tmp_path)
    assert len(server.log) == 1


def test_records_are_those_of_the_fma():
    assert list(download.AUDIO) == ["small", "medium", "large", "full"]
    for record in [download.METADATA, *download.AUDIO.values()]:
        assert record.url == f"https://os.unil.cloud.switch.ch/fma/{record.name}.zip"
        assert re.fullmatch("[0-9a-f]{40}", record.sha1)
        assert 0 < record.size < record.unpacked_size
    assert {name: record.name for name, record in download.AUDIO.items()} == {
        name: f"fma_{name}" for name in download.AUDIO
    }


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
)
def test_fetches_checks_and_unpacks_once(server, tmp_path, capsys, compression):
    records = [make_archive(server, name, compression) for name in ("fma_metadata", "fma_small")]
    root = tmp_path / "not" / "there yet"
    download.download(records, root)
    assert_complete(root, "fma_metadata")
    assert_complete(root, "fma_small")
    assert [path for path, _, _ in server.log] == ["/fma_metadata.zip", "/fma_small.zip"]
    assert f"{root / 'fma_small'}: ready" in capsys.readouterr().out

    download.download(records, root)
    assert len(server.log) == 2, "the second run has nothing to fetch"
    assert f"{root / 'fma_small'}: already here" in capsys.readouterr().out


def test_removes_archives_when_asked_even_later(server, archive, tmp_path, capsys):
    download.download([archive], tmp_path)
    assert (tmp_path / "fma_small.zip").exists()
    assert "--remove-archives removes it" in capsys.readouterr().out
    download.download([archive], tmp_path, remove_archives=True)
    assert not (tmp_path / "fma_small.zip").exists()
    download.download([archive], tmp_path, remove_archives=True)
    assert len(server.log) == 1
    assert_complete(tmp_path)


def test_goes_on_where_the_connection_broke_off(server, archive, content, tmp_path, capsys):
    server.moods = ["breaks off", "sends nothing"]
    archives.obtain(archive, tmp_path)
    assert_complete(tmp_path)
    ranges = [asked for _, asked, _ in server.log]
    assert ranges[0] is None
    assert ranges[1] == ranges[2], "what was fetched is kept when nothing follows"
    start = int(ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= HALF
    assert server.log[2][2] == len(content) - start
    assert "fma_small.zip: the transfer from 127.0.0.1" in capsys.readouterr().err


def test_goes_on_after_the_process_was_killed(server, archive, content, tmp_path, capsys):
    (tmp_path / "fma_small.zip.part").write_bytes(content[:HALF])
    archives.obtain(archive, tmp_path)
    assert server.log == [("/fma_small.zip", f"bytes={HALF}-", len(content) - HALF)]
    assert_complete(tmp_path)


@pytest.mark.parametrize("mood", ["well", "416 without length"])
def test_a_whole_part_needs_no_more_bytes(server, archive, content, tmp_path, mood):
    server.moods = [mood]
    (tmp_path / "fma_small.zip.part").write_bytes(content)
    archives.obtain(archive, tmp_path)
    assert [sent for _, _, sent in server.log] == [0]
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("mood", "part", "ranges"),
    [
        ("ignores Range", b"junk", ["bytes=4-"]),
        ("from elsewhere", b"junk", ["bytes=4-", None]),
        ("well", NOISE + NOISE, ["bytes=1400000-", None]),  # longer than the archive
    ],
)
def test_starts_over_where_it_cannot_go_on(server, archive, tmp_path, mood, part, ranges):
    server.moods = [mood]
    (tmp_path / "fma_small.zip.part").write_bytes(part)
    archives.obtain(archive, tmp_path)
    assert [asked for _, asked, _ in server.log] == ranges
    assert_complete(tmp_path)


def test_gives_up_with_advice_and_keeps_what_it_has(server, archive, content, tmp_path, capsys):
    server.moods = ["breaks off", "sends nothing", "sends nothing", "503"]
    with pytest.raises(UserError, match="run the same command again later") as error:
        archives.obtain(archive, tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / "fma_small.zip.part").stat().st_size > 0
    assert len(server.log) == 3

    server.moods = []
    archives.obtain(archive, tmp_path)
    assert server.log[-1][2] < len(content)
    assert_complete(tmp_path)


def test_a_dead_server_costs_one_line(archive, server, tmp_path):
    server.socket.close()
    with pytest.raises(UserError, match=r"stopped at 0 bytes \(.*refused.*\)"):
        archives.obtain(archive, tmp_path)


@pytest.mark.parametrize("mood", ["500", "503", "429"])
def test_passing_troubles_of_the_server_are_waited_out(server, archive, tmp_path, capsys, mood):
    server.moods = [mood]
    archives.obtain(archive, tmp_path)
    assert f"the server answers {mood}" in capsys.readouterr().err
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("mood", "message"),
    [("404", "the server answers 404 Not Found"), ("redirects", "No connection adapters")],
)
def test_a_refusal_is_not_repeated(server, archive, tmp_path, mood, message):
    server.moods = [mood]
    with pytest.raises(UserError, match=f"{re.escape(archive.url)}.* cannot be fetched: {message}"):
        archives.obtain(archive, tmp_path)
    assert len(server.log) == 1
    assert tree(tmp_path) == {}


def test_a_wrong_checksum_is_told_and_the_next_run_starts_over(server, archive, content, tmp_path):
    server.moods = ["sends wrong bytes"]
    wrong = hashlib.sha1(content[:-1] + bytes([content[-1] ^ 1])).hexdigest()
    with pytest.raises(UserError) as error:
        archives.obtain(archive, tmp_path)
    for part in (str(tmp_path / "fma_small.zip"), wrong, archive.sha1, "fma_small.zip.bad"):
        assert part in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["fma_small.zip.bad"]

    archives.obtain(archive, tmp_path)
    assert server.log[-1] == ("/fma_small.zip", None, len(content))
    assert_complete(tmp_path)


def test_an_archive_placed_by_hand_is_checked_and_unpacked(server, archive, content, tmp_path):
    (tmp_path / "fma_small.zip").write_bytes(content)
    archives.obtain(archive, tmp_path)
    assert server.log == []
    assert_complete(tmp_path)


def test_a_damaged_archive_placed_by_hand_is_kept_aside(server, archive, content, tmp_path):
    (tmp_path / "fma_small.zip").write_bytes(content[:-1])
    with pytest.raises(UserError, match="is damaged"):
        archives.obtain(archive, tmp_path)
    assert server.log == []
    assert tree(tmp_path) == {"fma_small.zip.bad": content[:-1]}


def set_free_space(monkeypatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")(10**12, 10**12 - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_a_small_disk_is_refused_before_fetching(server, archive, tmp_path, monkeypatch):
    needed = archive.size + archive.unpacked_size
    set_free_space(monkeypatch, needed - 1)
    with pytest.raises(UserError, match=r"fma_small: 1\.3 MiB are needed in .*, 1\.3 MiB are free"):
        download.download([archive], tmp_path)
    assert server.log == []
    set_free_space(monkeypatch, needed)
    download.download([archive], tmp_path)
    assert_complete(tmp_path)


def test_what_is_there_already_needs_no_space(archive, content, tmp_path):
    assert archive.space_needed(tmp_path) == len(content) + archive.unpacked_size
    part = tmp_path / "fma_small.zip.part"
    part.write_bytes(content[:HALF])
    assert archive.space_needed(tmp_path) == len(content) - HALF + archive.unpacked_size
    part.rename(tmp_path / "fma_small.zip")
    assert archive.space_needed(tmp_path) == 0


def test_a_small_disk_is_refused_before_unpacking(archive, content, tmp_path, monkeypatch):
    (tmp_path / "fma_small.zip").write_bytes(content)
    set_free_space(monkeypatch, len(NOISE) + 3)
    with pytest.raises(UserError, match=r"unpacking fma_small\.zip: 683\.6 KiB are needed"):
        archives.obtain(archive, tmp_path)
    assert tree(tmp_path) == {"fma_small.zip": content}
    set_free_space(monkeypatch, len(NOISE) + 4)
    archives.obtain(archive, tmp_path)
    assert_complete(tmp_path)


def member(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # as it is: the constructor would tidy it
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        member("../evil"),
        member("fma_small/../../evil"),
        member("fma_small/000/../../../evil"),
        member("/tmp/evil"),
        member("//host/evil"),
        member("C:/evil"),
        member("fma_small/C:/evil"),
        member("fma_small\\..\\..\\evil"),
        member("download.py"),
        member("fma_small"),
        member("fma_smaller/evil"),
        member("fma_small/link", stat.S_IFLNK),
        member("fma_small/fifo", stat.S_IFIFO),
    ],
    ids=lambda info: info.filename,
)
def test_an_archive_that_leaves_its_folder_is_refused_whole(tmp_path, hostile):
    root = tmp_path / "root"
    root.mkdir()
    content = make_zip({"fma_small/000/000002.mp3": b"music", hostile: b"/etc/passwd"})
    (root / "fma_small.zip").write_bytes(content)
    with pytest.raises(UserError, match="would leave the folder fma_small/: nothing was unpacked"):
        archives.unpack(root / "fma_small.zip", root / "fma_small")
    assert tree(tmp_path) == {"root/fma_small.zip": content}


def test_a_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / "fma_small.zip"
    path.write_bytes(make_zip({"fma_small/zeros": bytes(10_000_000)}))
    with pytest.raises(UserError, match="more than 100 times its size: nothing was unpacked"):
        archives.unpack(path, tmp_path / "fma_small")
    assert [path.name for path in tmp_path.iterdir()] == ["fma_small.zip"]


def test_no_member_unpacks_to_more_than_it_declares(tmp_path):
    content = make_zip({"fma_small/liar": NOISE[:5000]}, zipfile.ZIP_STORED)
    truth, lie = (5000).to_bytes(4, "little"), (50).to_bytes(4, "little")
    at = content.rindex(truth)  # the uncompressed size in the central directory
    path = tmp_path / "fma_small.zip"
    path.write_bytes(content[:at] + lie + content[at + 4 :])
    with pytest.raises(UserError, match="no sound zip file"):
        archives.unpack(path, tmp_path / "fma_small")
    assert sum(map(len, tree(tmp_path).values())) <= len(content) + 50


def test_unpacking_goes_on_where_it_was_killed(archive, content, tmp_path):
    part = tmp_path / "fma_small.part"
    (part / "000").mkdir(parents=True)
    kept = bytes(500_000)  # of the right size, so it is taken for finished, not written again
    (part / "000" / "000002.mp3").write_bytes(kept)
    (part / "000" / "000005.mp3").write_bytes(b"not the right size")
    (part / "001").mkdir()
    (part / "001" / "001000.mp3.part").write_bytes(b"half written")
    (tmp_path / "fma_small.zip").write_bytes(content)
    archives.obtain(archive, tmp_path)
    assert tree(tmp_path / "fma_small") == CONTENTS | {"000/000002.mp3": kept}
    assert not part.exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_unpacking_shows_no_folder_and_goes_on(
    archive, content, tmp_path, monkeypatch, end
):
    (tmp_path / "fma_small.zip").write_bytes(content)
    unpack_member = archives._unpack_member

    def interrupted(archive, info, *arguments):
        if info.filename.endswith("000005.mp3"):
            raise end
        unpack_member(archive, info, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_unpack_member", interrupted)
        with pytest.raises((KeyboardInterrupt, OSError)):
            archives.obtain(archive, tmp_path)
    assert not (tmp_path / "fma_small").exists()
    archives.obtain(archive, tmp_path)
    assert_complete(tmp_path)


def test_a_damaged_member_costs_one_line(tmp_path):
    content = make_zip({"fma_small/000/000002.mp3": NOISE[:5000]}, zipfile.ZIP_STORED)
    path = tmp_path / "fma_small.zip"
    path.write_bytes(content.replace(NOISE[:10], bytes(10)))
    with pytest.raises(UserError, match=r"no sound zip file \(Bad CRC-32"):
        archives.unpack(path, tmp_path / "fma_small")
    assert not (tmp_path / "fma_small").exists()


def test_no_zip_file_at_all_costs_one_line(tmp_path):
    (tmp_path / "fma_small.zip").write_bytes(b"<html>please log in</html>")
    with pytest.raises(UserError, match="no sound zip file"):
        archives.unpack(tmp_path / "fma_small.zip", tmp_path / "fma_small")


def test_the_demo_set_is_not_mixed_with_the_fma(server, archive, tmp_path):
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "demo.json").write_text("{}")
    with pytest.raises(UserError, match="holds the synthetic demo set"):
        download.download([archive], tmp_path)
    assert server.log == []


def test_a_file_is_no_root(archive, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be made a folder \(File exists\)"):
        download.download([archive], tmp_path / "file")


@pytest.fixture
def tracks(tmp_path) -> Path:
    """Four good clips, an empty, an undecodable and a missing one, and one of a larger subset."""
    root = tmp_path / "fma"
    subsets = dict.fromkeys((2, 3, 5, 10, 134, 1000), "small") | {140: "medium", 2001: "large"}
    rows = [",set,set,track", ",split,subset,genre_top", "track_id,,,"]
    rows += [f"{track_id},training,{subset},Rock" for track_id, subset in subsets.items()]
    (root / "fma_metadata").mkdir(parents=True)
    (root / "fma_metadata" / "tracks.csv").write_text("\n".join(rows) + "\n")
    audio = root / "fma_medium"
    for folder in ("000", "001"):
        (audio / folder).mkdir(parents=True)
    tone = 0.3 * np.sin(np.arange(22_050) * 0.1)
    for name, channels in (("000002", 1), ("000003", 2), ("000134", 1), ("000140", 1)):
        samples = np.column_stack([tone] * channels)
        soundfile.write(audio / name[:3] / f"{name}.mp3", samples, 44_100, format="MP3")
    (audio / "000" / "000005.mp3").write_bytes(b"")
    (audio / "000" / "000010.mp3").write_bytes(b"this is no music" * 100)
    return root  # 1000 is missing; 2001 is not of medium


def test_verify_lists_the_damaged_tracks(tracks):
    expected, damaged = download.check_tracks(tracks, "medium", workers=2)
    audio = tracks / "fma_medium"
    assert expected == 7
    assert damaged == [
        (5, audio / "000" / "000005.mp3", "empty"),
        (10, audio / "000" / "000010.mp3", "undecodable"),
        (1000, audio / "001" / "001000.mp3", "missing"),
    ]


def test_verify_is_content_when_all_decode(tracks, capsys):
    audio = tracks / "fma_medium"
    (audio / "001" / "001000.mp3").parent.mkdir(exist_ok=True)
    for name in ("000/000005", "000/000010", "001/001000"):
        shutil.copy(audio / "000" / "000002.mp3", audio / f"{name}.mp3")
    download.print_verdict(tracks, "medium", workers=1)
    assert capsys.readouterr().out == "all 7 tracks of fma_medium are there and decode\n"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(PROJECT_ROOT / "data" / "download.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


def test_verify_as_a_command(tracks):
    done = run("medium", "--verify", "--workers", "1", FMA_ROOT=str(tracks))
    assert done.returncode == 1
    table = done.stdout.splitlines()
    assert table[0] == "track_id,path,reason"
    assert [line.split(",")[::2] for line in table[1:]] == [
        ["5", "empty"],
        ["10", "undecodable"],
        ["1000", "missing"],
    ]
    verdict = done.stderr.splitlines()[-1]
    assert verdict.startswith("error: 4 of 7 tracks of fma_medium are there and decode; 1 empty, ")
    assert "Traceback" not in done.stderr


def command_line(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["download.py", *arguments])
    try:
        run_command(download.main)
    except SystemExit as end:
        return end.code
    return 0


def test_the_command_gets_metadata_and_audio(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "METADATA", make_archive(server, "fma_metadata"))
    monkeypatch.setitem(download.AUDIO, "small", make_archive(server, "fma_small"))
    root = tmp_path / "fma"
    assert command_line(monkeypatch, "small", "--root", str(root), "--remove-archives") == 0
    assert_complete(root, "fma_metadata")
    assert_complete(root, "fma_small")
    assert not list(root.glob("*.zip"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiny"], 2, "invalid choice: 'tiny'"),
        ([], 2, "SUBSET"),
        (["small", "--verify", "--root", "nowhere"], 1, "error: no data set in nowhere"),
    ],
)
def test_mistakes_cost_one_line(monkeypatch, tmp_path, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert command_line(monkeypatch, *arguments) == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_help_teaches(monkeypatch, capsys):
    assert command_line(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    for word in ("22 GiB", "fma_metadata", "minutes", "examples:", "FMA_ROOT"):
        assert word in text
