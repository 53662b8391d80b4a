"""Postal addresses by the ways in which several countries write them."""

import re

from functions.guardrails.core.models import Severity
from functions.guardrails.core.pii.recogniser import Recogniser

_NAME = r"[A-ZÀ-Ý][\w'\u2019-]+(?:[ ][A-ZÀ-Ý][\w'\u2019-]+){0,3}"


def _of(pattern: str, *context: str) -> Recogniser:
    return Recogniser(
        "STREET_ADDRESS", re.compile(pattern, re.VERBOSE), 0.7, Severity.MEDIUM, context=("address", *context)
    )


ADDRESSES = (
    _of(
        r"""(?<![\w.])\d{1,5}[A-Za-z]?[ ](?:[NSEW]\.?[ ])?(?!(?:Minute|Hour|Day|Week|Mile)s?\b)
        (?:[A-Z][\w'\u2019.-]*[ ]){1,4}
        (?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Terrace|Crescent|Cres
        |Parkway|Pkwy|Place|Pl|Circle|Cir|Highway|Hwy|Way|Close|Trail)\b\.?
        (?:,?[ \n]{1,2}(?:Apt|Suite|Ste|Unit|Floor|\#)\.?[ ]?[\w-]{1,6})?""",
        "live",
        "street",
        "deliver",
    ),
    _of(
        r"""(?<!\w)(?:[A-ZÄÖÜ][\w.-]*[ -]){0,2}[A-ZÄÖÜ]?[a-zäöüß-]*
        (?:[sS]traße|[sS]trasse|[sS]tr\.|[wW]eg|[pP]latz|[aA]llee|[gG]asse|-Ring|[uU]fer|-Damm)
        [ ]\d{1,4}[ ]?[a-z]?(?:,[ ](?:D-)?\d{5}[ ][A-ZÄÖÜ][\wäöüß.-]+)?(?!\w)""",
        "adresse",
        "anschrift",
        "wohn",
        "straße",
    ),
    _of(
        rf"""(?<!\w)\d{{1,4}}(?:[ ]?(?:bis|ter))?,?[ ](?i:rue|avenue|boulevard|place|chemin|impasse|quai|allée)[ ]
        (?:(?:de|du|des|la|le|les)[ ]|[ld]['\u2019]){{0,3}}{_NAME}(?:,?[ ]\d{{5}}[ ][A-ZÀ-Ý][\w'\u2019-]+)?""",
        "adresse",
        "habite",
    ),
    _of(
        rf"""(?<!\w)(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Praça)[ ]?
        (?:(?:de|del|della|dei|di|da|do|dos|la|las|los|el)[ ]){{0,3}}{_NAME}
        ,?[ ](?:n\.?[ºo°]?[ ]?)?\d{{1,4}}(?!\w)(?:,?[ ]\d{{4,5}}[ ][A-ZÀ-Ý][\w'\u2019-]+)?""",
        "direcc",
        "indirizzo",
        "endere",
        "morada",
    ),
    _of(
        r"""(?<!\w)[A-ZÀ-ÝØÅÆŽŠ][\w-]{2,30}(?:vej|gade|gata|gatan|gaten|stien|veien|vegen|vägen|straat|laan|gracht|plein|kade
        |katu|tie|braut)[ ]\d{1,4}[ ]?[a-zA-Z]?(?!\w)
        |(?<!\w)ul\.[ ][A-ZŁŚŻŹĆÓ][\w-]+(?:[ ][A-ZŁŚŻŹĆÓ][\w-]+){0,2}[ ]\d{1,4}""",
        "adres",
    ),
    _of(r"(?<!\w)(?:P\.?[ ]?O\.?[ ]Box|Postfach|Postbus|Apartado)[ ]\d{1,6}|(?<!\w)PSC[ ]\d{3,4},[ ]Box[ ]\d{2,5}"),
)
