"""Characters drawn like Latin letters, and characters that do not show."""

import re
from importlib.resources import files

import yaml

LATIN: dict[str, str] = {
    drawn: letter
    for letter, listed in yaml.safe_load(files(__package__).joinpath("confusables.yaml").read_text("utf-8")).items()
    for drawn in listed.split()
}

# Zero-width and bidirectional controls, soft hyphen, fillers, invisible operators, variation selectors, and
# control characters other than tab, line feed, form feed and carriage return.
INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# Combining marks stacked on Latin letters beyond what any language uses ("Zalgo").
STACKED_MARKS = re.compile("[\u0300-\u036f\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{2,}")
TAGS = re.compile("[\U000e0020-\U000e007e]{4,}\U000e007f?")
# A flag of a region (England, Scotland, Wales) is written with tags too and is no hidden text.
FLAG = "\U0001f3f4"
FLAGS = re.compile(f"{FLAG}[\U000e0061-\U000e007a]{{2,6}}\U000e007f")
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
