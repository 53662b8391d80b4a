"""What a tenant may override, and what goes together."""

from typing import Any

import pytest
from pydantic import ValidationError

from functions.kit.settings import TenantSettings


@pytest.mark.parametrize("start", [0.5, 0.7, 0.85, 0.999, 1])
def test_where_the_similarity_begins_can_be_set_alone(start: float) -> None:
    settings = TenantSettings.of({"cacheSimilarity": start})
    assert settings.cache_similarity_least <= settings.cache_similarity == start <= settings.cache_similarity_most


@pytest.mark.parametrize(
    "overrides",
    [{"cacheSimilarity": 0.7, "cacheSimilarityLeast": 0.8}, {"cacheSimilarityMost": 0.8}, {"cacheSimilarity": "x"}],
)
def test_bounds_that_exclude_it_are_refused(overrides: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TenantSettings.of(overrides)


def test_what_other_versions_stored_is_ignored() -> None:
    assert TenantSettings.of({"cacheFlavour": "mint"}) == TenantSettings()
