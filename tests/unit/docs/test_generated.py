"""The generated pages say what the code says."""

import pytest

from docs.generate import FOLDER, PAGES


@pytest.mark.parametrize("page", sorted(PAGES))
def test_page_is_up_to_date(page: str) -> None:
    assert (FOLDER / page).read_text() == PAGES[page](), f"run `make docs`: {page}"
