"""One reading of a text, with the way back to the characters it came from."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """A reading of a text.

    Attributes:
        disguise: what had to be undone to read it, e.g. `base64` or `homoglyphs+leet`; empty for the text as it is.
        origins: for each character, where in the original it begins; None when nothing moved.
        ends: for each character, where in the original it ends; None when nothing moved.
        squeezed: whether it lost its spaces, so that words have to be found inside runs of letters.
        decoded: whether it is a payload's content, whose characters have no one-to-one place in the original.
    """

    disguise: str
    text: str
    origins: Sequence[int] | None = None
    ends: Sequence[int] | None = None
    squeezed: bool = False
    decoded: bool = False

    @property
    def is_as_written(self) -> bool:
        """Whether every character is what it was written as, but for those that do not show and wide or styled ones."""
        return self.disguise in ("", "unicode")

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters that a piece of this view came from."""
        if self.origins is None or self.ends is None:
            return start, end
        if not self.origins[start:end]:
            return 0, 0
        return min(self.origins[start:end]), max(self.ends[start:end])

    def derive(
        self,
        disguise: str,
        pieces: Sequence[tuple[str, int, int]],
        *,
        squeezed: bool = False,
        decoded: bool = False,
    ) -> "View":
        """A view made of this one: each piece is new text and the characters of this view it stands for."""
        text: list[str] = []
        origins: list[int] = []
        ends: list[int] = []
        for new, start, end in pieces:
            first, last = self.span(start, end)
            text.append(new)
            if len(new) == end - start and self.origins is None and not decoded:
                origins.extend(range(first, last))
                ends.extend(range(first + 1, last + 1))
            else:
                origins.extend([first] * len(new))
                ends.extend([last] * len(new))
        name = f"{self.disguise}+{disguise}" if self.disguise else disguise
        return View(
            name, "".join(text), origins, ends, squeezed=squeezed or self.squeezed, decoded=decoded or self.decoded
        )
