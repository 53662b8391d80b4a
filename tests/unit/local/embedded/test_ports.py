"""Ports: standard, free when taken, remembered."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.embedded.ports import Ports


@contextmanager
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free() -> int:
    with taken() as port:
        return port


def is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
            attempt.listen()
        except OSError:
            return False
    return True


def test_takes_the_standard_port_when_it_is_free(tmp_path: Path) -> None:
    wanted = free()
    ports = Ports.choose(tmp_path / "ports.json", {"web": wanted})
    assert ports["web"] == wanted
    assert ports.address("web") == f"127.0.0.1:{wanted}"
    ports.release_all()


def test_takes_another_port_when_the_standard_one_is_taken(tmp_path: Path) -> None:
    with taken() as port:
        ports = Ports.choose(tmp_path / "ports.json", {"web": port})
        assert ports["web"] != port
        ports.release_all()


def test_a_restart_keeps_the_ports(tmp_path: Path) -> None:
    with taken() as port:
        first = Ports.choose(tmp_path / "ports.json", {"web": port})
        first.release_all()
    second = Ports.choose(tmp_path / "ports.json", {"web": port})
    assert second["web"] == first["web"]
    second.release_all()
    assert Ports.remembered(tmp_path / "ports.json")["web"] == first["web"]


def test_a_remembered_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    first = Ports.choose(tmp_path / "ports.json", {"web": free()})
    second = Ports.choose(tmp_path / "ports.json", {"web": first["web"]})
    assert second["web"] != first["web"]
    first.release_all()
    second.release_all()


def test_a_port_is_kept_until_its_server_starts(tmp_path: Path) -> None:
    ports = Ports.choose(tmp_path / "ports.json", {"web": free(), "api": free()})
    assert not is_free(ports["web"])
    ports.release("web")
    assert is_free(ports["web"])
    assert not is_free(ports["api"])
    ports.release_all()


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    wanted = free()
    ports = Ports.choose(tmp_path / "ports.json", {"web": wanted, "api": wanted})
    assert ports["web"] != ports["api"]
    ports.release_all()


def test_a_broken_memory_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("not json")
    wanted = free()
    ports = Ports.choose(tmp_path / "ports.json", {"web": wanted})
    assert ports["web"] == wanted
    ports.release_all()


def test_another_stack_does_not_take_the_port_of_a_server_that_is_down(tmp_path: Path) -> None:
    ports = Ports.choose(tmp_path / "ports.json", {"web": free()})
    ports.release("web")
    assert is_free(ports["web"])
    other = Ports.choose(tmp_path / "other.json", {"web": ports["web"]})
    assert other["web"] != ports["web"]
    other.release_all()
    ports.release_all()


def test_a_free_port_that_its_server_cannot_use_is_passed_over(tmp_path: Path) -> None:
    wanted = free()
    ports = Ports.choose(tmp_path / "ports.json", {"web": wanted}, usable=lambda _, port: port != wanted)
    assert ports["web"] != wanted
    ports.release_all()
