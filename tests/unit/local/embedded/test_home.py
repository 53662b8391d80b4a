"""The state folder: made once, wiped only when it is ours, locked by one at a time."""

import json
import stat
from pathlib import Path

import pytest

from local.embedded.credentials import Credentials
from local.embedded.logs import last_words, rotate, tail
from local.paths import Home, HomeError, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "state")
    home.create()
    return home


def test_is_found_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DCODER_HOME", str(tmp_path))
    assert Home.locate().root == tmp_path
    monkeypatch.delenv("DCODER_HOME")
    assert Home.locate().root.name == ".dcoder"


def test_can_be_created_twice(home: Home) -> None:
    home.create()
    assert home.exists


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(HomeError, match="not this platform's"):
        Home(tmp_path).create()
    with pytest.raises(HomeError, match="does not look like"):
        Home(tmp_path).wipe()
    assert (tmp_path / "thesis.txt").exists()


def test_wiping_removes_the_state_and_follows_no_link(home: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (home.root / "link").symlink_to(outside)
    (home.root / "postgres").mkdir()
    (home.root / "credentials.json").touch()
    home.wipe()
    assert sorted(path.name for path in home.root.iterdir()) == [".dcoder-home"]
    assert (outside / "kept").exists()


def test_wiping_what_does_not_exist_is_nothing(tmp_path: Path) -> None:
    Home(tmp_path / "none").wipe()
    assert not (tmp_path / "none").exists()


def test_only_one_supervisor_runs(home: Home) -> None:
    with home.running(), pytest.raises(HomeError, match="already running"), home.running():
        pass
    with home.running():
        pass


def test_only_one_command_starts_or_stops(home: Home) -> None:
    with home.starting(), pytest.raises(HomeError, match="another dcoder command"), home.starting(seconds=0.1):
        pass


def test_private_files_are_private(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "1")
    write_private(tmp_path / "secret", "2")
    assert (tmp_path / "secret").read_text() == "2"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_credentials_are_made_once(tmp_path: Path) -> None:
    first = Credentials.keep(tmp_path / "credentials.json")
    assert Credentials.keep(tmp_path / "credentials.json") == first
    assert len(set(first.model_dump().values())) == len(first.model_dump())


def test_credentials_added_later_are_made_without_changing_the_others(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = json.loads(Credentials.keep(path).model_dump_json())
    known = {name: value for name, value in first.items() if name != "redis_password"}
    path.write_text(json.dumps(known))
    assert json.loads(Credentials.keep(path).model_dump_json()) == {
        **first,
        "redis_password": Credentials.keep(path).redis_password,
    }


def test_a_log_is_rotated_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("a") as writer:
        writer.write("old\n" * 100)
        writer.flush()
        assert not rotate(log, largest=1000)
        assert rotate(log, largest=100)
        writer.write("new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "server.log.1").read_text() == "old\n" * 100


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert tail(log, 5) == []
    log.write_text("\n".join(f"line {number} {'x' * 100}" for number in range(5000)) + "\n\n")
    assert [line.split()[1] for line in tail(log, 3) if line] == ["4998", "4999"]
    assert last_words(log).startswith("line 4999")
    assert tail(log, 0) == []


def test_the_last_words_of_a_program(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert last_words(log) == ""
    log.write_text("Traceback\n  File x\nModuleNotFoundError: No module named 'y'\n")
    assert last_words(log) == "ModuleNotFoundError: No module named 'y'"
    lines = [
        {"level": "info", "message": "a"},
        {"level": "error", "message": "in use"},
        {"level": "info", "message": "b"},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert last_words(log) == "in use"
    log.write_text(json.dumps(lines[0]) + "\n")
    assert last_words(log) == "a"
