"""Schema histories are lines, and Alembic reads them as this program does."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from stateful.postgres.histories import History, Target, load_histories


@pytest.mark.parametrize("history", load_histories(), ids=lambda history: history.name)
def test_alembic_agrees(history: History) -> None:
    script = ScriptDirectory(str(history.folder))
    assert script.get_heads() == [history.head]
    assert [found.revision for found in script.walk_revisions()] == list(reversed(history.revisions))


def test_every_kind_of_database_has_the_kits_tables() -> None:
    kit = next(history for history in load_histories() if history.name == "kit")
    assert kit.targets == {Target.PLATFORM, Target.TENANT}


def test_a_history_without_revisions_or_with_a_wrong_target_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "history.yaml").write_text("targets: [tenant]\n")
    with pytest.raises(ValueError, match="no revisions"):
        load_histories(tmp_path)
    (folder / "history.yaml").write_text("targets: [everywhere]\n")
    load_histories.cache_clear()
    with pytest.raises(ValueError, match="everywhere"):
        load_histories(tmp_path)
