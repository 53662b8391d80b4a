"""Excel 97 workbooks: what their cells show, and what becomes of those that cannot be read."""

import base64
import zlib
from pathlib import Path

import pytest

from functions.knowledge.adapters.parsing.reading import Bounds, read
from functions.knowledge.core.blocks import read_outline
from functions.knowledge.core.reasons import CannotIngest, Reason

# Sheets `Lights`, `Nothing` and `Keepers`, as Excel 97 keeps them (MS-XLS); nothing here can write the format.
_WORKBOOK = (
    "eNrtWF1IFFEUPndm9k/82fUn0EImISvTInqJwNaC8qE0y6CIoFb34i7bzi4z04M9lGX7GAQ99fNiWJCB1Uv/D/UWIRj1EASBFvXSU1HQgzqde2"
    "ZWXdNwQQ1lvuWee++595x79txz7p2ZN8Ohkb4HVaMwAztBhgkrAN5pPIYlkO0EAcctSzSztR+L5WJZIeDHjfR64FnRkE/sodjvUZDgvvISKcAn"
    "LMchDa0pjatLiN1kQ4QJGxqZF2NPwoi8gbQYKsmyUqKdRMuI3qPZz4k2EecS0UacO8KOwXC4tW67E8lHpRoaK0bK4BHJfCDOVqiAVyKSz11m9l"
    "wP7NLjkVMrZaBaKYR+wN1u5hrXRb8EbkEBQDeiIZlsiEarlQq4LVJ8iqXGYjuSyREoxxDph1+WCvAzexa8UF3+0vIZIP93Lt83B9+PuzsbP4Bb"
    "PJN/RVIAesA6yURaZDA9hhT7WNgf74qZRgZK4AfdCT48EsxYXOsSrFq/zdrHeZrrxhik6DIQxQO2KAq1cFPnhiwYJrLb41onR+3tnGs42p6IdH"
    "ENR5v1L1sADse4miB1amfqtGYaqokcIxZPi1bEVNMRw1Cx1oT2zQXibqKzLJhzlhVRfhcijaKdoh2iLA+icWN3vr9t6WgLnyBOD5lr33LrhBvA"
    "gvNCAoWLaUQmipZDHUlsInqBtK6mdhXRcpyDdW1bhdPY20tzLtJoLa6zjfAuvH5aewO2M98OPq7OfA5vxPZg8+iZ8sH34T6owa2Korz49UI9q2"
    "fXrgo8CWdr5pyGH4lW/nUy+qWgY7vlXOUlMC5SHhEiaveEd9hkT3J8Zfdk7MmTPQV7iqOZzaKZkWbhq7NSAVkegqdinuSns1ysY4/IaPvrA1ij"
    "lxnqLIO7AwMDa25+bRK6JVo5V7dEur2ObntPr6+1dUukG59fpFJ4KCbiTTCFhYsSmDNKprDcooR8Bovns9kzS6ZoAoqK5ZlZMuVKbozK5A/fP7"
    "3qwoULFy5c/C8wurtg8hb2OLe7z/muM45lwv1MsmJxCF/VUmDia+Ae0LDWoTuv+FkFHpbVxeYpk/1eKHAEV9chAR1kRyLv+MWnMzb9/8xbMLhw"
    "KZTv+hP52LnI6/8BwGZiQw=="
)
_BOUNDS = Bounds(text=1 << 20, unpacked=1 << 20)
# A record that says which code page the text is in, and one of the same length that says that a password is asked for.
_CODE_PAGE, _FILE_PASS = bytes.fromhex("42000200"), bytes.fromhex("2f000200")


def workbook() -> bytes:
    return zlib.decompress(base64.b64decode(_WORKBOOK))


def test_cells_show_what_excel_shows(tmp_path: Path) -> None:
    (tmp_path / "original").write_bytes(workbook())
    outline = read(tmp_path, "lights.xls", "", _BOUNDS)
    assert outline.pages == 3
    assert (tmp_path / "text").read_text().split("\n\n") == [
        "Lights",
        "Light | Metres | Lit | Since | Seen\n"
        "Skagen | 46 | True | 1958-11-01 | 2026-11-26 21:30:00\n"
        "Grå | 21.5 | False",
        "Keepers",
        "| The keeper counts the ships that pass at night.",
    ]
    assert read_outline(tmp_path / "blocks").pages == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (workbook().replace(_CODE_PAGE, _FILE_PASS, 1), Reason.ENCRYPTED),
        (workbook()[:3000], Reason.CORRUPT),
        (workbook().replace(b"\x09\x08\x10\x00", b"\x09\x08\xff\xff"), Reason.CORRUPT),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: Reason) -> None:
    (tmp_path / "original").write_bytes(content)
    with pytest.raises(CannotIngest) as refusal:
        read(tmp_path, "lights.xls", "", _BOUNDS)
    assert refusal.value.reason is reason
    assert refusal.value.detail
