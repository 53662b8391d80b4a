"""Takes keys, tokens and personal data out of text before it is logged."""

import re

# One alternation, longest and most telling first, so that a line is scanned once. What may be long begins where its
# run of characters does and takes all of it: begun anew at each character, a text made for it would take hours.
_SECRETS = re.compile(
    r"""
      (?P<jwt>(?<![\w-])(?=[\w-]++\.[\w-]{8,}+\.)[\w-]*?eyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+)
    | (?P<key>\b(?:
          dck_[0-9A-Za-z]{8,} | sk-[\w-]{16,} | gsk_\w{16,} | AIza[\w-]{30,}
        | AKIA[0-9A-Z]{16} | gh[pousr]_\w{30,} | xox[abprs]-[\w-]{10,}
      ))
    | (?P<bearer>(?i:bearer\s+)[\w.~+/=-]{8,})
    | (?P<password>(?<=://)[^\s/:@]+:[^\s/@]+(?=@))
    | (?P<email>(?<![\w.%+-])[\w.%+-]++@[\w-]+(?:\.[\w-]+)+\b)
    | (?P<card>(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-]))
    | (?P<ssn>\b\d{3}-\d{2}-\d{4}\b)
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """The text with every secret replaced by its kind, e.g. `[email]`."""
    return _SECRETS.sub(lambda match: f"[{match.lastgroup}]", text)
