"""Cache-Control directives that the semantic cache honours."""

import pytest

from functions.gateway.core.models import CacheControl


@pytest.mark.parametrize(
    ("header", "means"),
    [
        ("", CacheControl(True, True, None)),
        ("no-cache", CacheControl(False, True, None)),
        ("no-store", CacheControl(False, False, None)),
        ("max-age=60", CacheControl(True, True, 60)),
        ('Max-Age="5", No-Cache', CacheControl(False, True, 5)),
        ("max-age=soon", CacheControl(True, True, None)),
        (",,=,;", CacheControl(True, True, None)),
        ("max-age=\u00b2", CacheControl(True, True, None)),
        (f"max-age={'9' * 5000}", CacheControl(True, True, None)),
    ],
)
def test_directives(header: str, means: CacheControl) -> None:
    assert CacheControl.of(header) == means
