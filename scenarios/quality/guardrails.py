"""How well the guardrails detect: `python -m scenarios.quality.guardrails [--full]`.

Prompt injection: recall at fixed shares of false positives, for each set of attacks against each set of honest prompts.
Personal data: precision and recall by type, on spans that overlap and on spans that are equal; `--full` adds the model.
Secrets: recall on credentials written here by their issuers' formats, false positives on everything honest.

How the labels of the PII set are read: DATE_OF_BIRTH counts as DATE_TIME, LOCATION as GPE or STREET_ADDRESS; a find on
a span of another label is a false positive. AGE, TITLE, ZIP_CODE and DOMAIN_NAME are no types of ours: they are missed.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from functions.guardrails.adapters.classifier import injection_scanner
from functions.guardrails.adapters.phone_numbers import PhoneNumbers
from functions.guardrails.adapters.presidio import ALL_ENTITIES, PresidioScanner
from functions.guardrails.core.models import Match, Part
from functions.guardrails.core.pii.scanner import PatternScanner, without_overlaps
from functions.guardrails.core.secrets.scanner import SecretScanner
from scenarios.quality.credentials import credentials

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SHARES = (0.01, 0.05)
_SAME = {
    "DATE_OF_BIRTH": {"DATE_TIME"},
    "LOCATION": {"GPE", "STREET_ADDRESS"},
}
_SEED = 7

Json = dict[str, Any]
Scan = Callable[[str], list[Match]]


def main() -> int:
    """Print every figure that the data at hand allows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="names and places too, with Presidio's model")
    full = parser.parse_args().full
    injections, honest = _rows("injection/deepset/deepset.jsonl"), _rows("injection/benign_instructions/benign.jsonl")
    if injections and honest:
        report_injection(injections, [row["text"] for row in honest])
    spans = _rows("pii/presidio_synth_v2/texts.jsonl")
    if spans:
        patterns, model = PatternScanner([PhoneNumbers()]), PresidioScanner(ALL_ENTITIES)
        report_pii("light", spans, lambda text: patterns.scan(0, Part("user", text)))
        if full:
            report_pii("full", spans, lambda text: _both(patterns, model, text))
    report_secrets([row["text"] for row in (*injections, *honest, *spans)])
    return 0


def report_injection(rows: Sequence[Json], honest: Sequence[str]) -> None:
    """Recall at each share of false positives, and what the shipped thresholds report."""
    scanner = injection_scanner()
    attacks = [row["text"] for row in rows if row["label"] == "INJECTION"]
    legitimate = [row["text"] for row in rows if row["label"] != "INJECTION"]
    negatives = {"benign_instructions": honest, "deepset legit": legitimate, "both": [*honest, *legitimate]}
    scores = [scanner.score(Part("user", text)) for text in attacks]
    print(f"prompt injection: deepset, {len(attacks)} attacks")
    for name, texts in negatives.items():
        quiet = sorted((scanner.score(Part("user", text)) for text in texts), reverse=True)
        recalls = (_recall_at(scores, quiet, share) for share in SHARES)
        line = "  ".join(f"recall {recall:.3f} at {share:.0%}" for recall, share in zip(recalls, SHARES, strict=True))
        reported = sum(bool(scanner.scan(0, Part("user", text))) for text in texts)
        print(f"  against {name:20} ({len(texts)}): {line}; reported as shipped {reported / len(texts):.3f}")
    print(f"  attacks reported as shipped: {sum(bool(scanner.scan(0, Part('user', text))) for text in attacks)}")
    texts = [*attacks, *honest, *legitimate]
    print(f"  {_milliseconds(lambda text: scanner.scan(0, Part('user', text)), texts):.2f} ms a kilobyte\n")


def report_pii(mode: str, rows: Sequence[Json], scan: Scan) -> None:
    """Recall and precision by type."""
    found = [scan(row["text"]) for row in rows]
    hits, equal, total = Counter[str](), Counter[str](), Counter[str]()
    right, seen = Counter[str](), Counter[str]()
    for row, matches in zip(rows, found, strict=True):
        for span in row["spans"]:
            total[span["label"]] += 1
            near = [match for match in matches if _agrees(match, span)]
            hits[span["label"]] += bool(near)
            equal[span["label"]] += any((match.start, match.end) == (span["start"], span["end"]) for match in near)
        for match in matches:
            seen[match.type] += 1
            right[match.type] += any(_agrees(match, span) for span in row["spans"])
    milliseconds = _milliseconds(scan, [row["text"] for row in rows])
    print(f"personal data, {mode} mode: {len(rows)} texts, {milliseconds:.2f} ms a kilobyte")
    for label in sorted(total):
        overlap, strict = hits[label] / total[label], equal[label] / total[label]
        print(f"  {label:18} {total[label]:4} spans: recall {overlap:.3f} overlapping, {strict:.3f} equal")
    for kind in sorted(seen):
        print(f"  {kind:18} {seen[kind]:4} finds: precision {right[kind] / seen[kind]:.3f}")
    print()


def report_secrets(honest: Sequence[str]) -> None:
    """Recall on written credentials, precision against look-alikes and honest texts."""
    scanner = SecretScanner()
    dice = random.Random(_SEED)  # noqa: S311 - makes up examples
    secrets, lookalikes = credentials(dice), list(_lookalikes(dice))
    caught = 0
    for name, text in secrets.items():
        found = scanner.scan(0, Part("user", text))
        caught += bool(found)
        if not found:
            print(f"  missed: {name}")
    wrong = sum(len(scanner.scan(0, Part("user", text))) for text in (*lookalikes, *honest))
    print(f"secrets: recall {caught / len(secrets):.3f} of {len(secrets)}, precision {caught / (caught + wrong):.3f}")
    print(f"  {wrong} false positives in {len(lookalikes)} look-alikes and {len(honest)} honest texts")
    print(
        f"  {_milliseconds(lambda text: scanner.scan(0, Part('user', text)), [*honest, *lookalikes]):.2f} ms a kilobyte"
    )


def _lookalikes(dice: random.Random) -> Iterable[str]:
    for _ in range(50):
        number = dice.getrandbits(128)
        digest = f"{dice.getrandbits(160):040x}"
        identifier = f"{number >> 96:08x}-{number & 0xFFFF:04x}-4abc-9def-{number & 0xFFFFFFFFFFFF:012x}"
        yield f"request {number:032x} of {identifier}, token: {identifier}"
        yield f"commit {digest} fixes the token refresh; sha256:{digest}{digest[:24]}"
    yield "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore."
    yield "api_key = os.environ['API_KEY']; password = getpass(); token = response.json()['token']"
    yield "password: required, secret: optional, access_token: string, client_secret: YOUR_CLIENT_SECRET"
    yield "AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY} and key: <your-api-key-here>"


def _both(patterns: PatternScanner, model: PresidioScanner, text: str) -> list[Match]:
    part = Part("user", text)
    return without_overlaps([*patterns.scan(0, part), *model.scan(0, part)])


def _agrees(match: Match, span: Json) -> bool:
    same = match.type == span["label"] or span["label"] in _SAME.get(match.type, ())
    return same and match.start < span["end"] and span["start"] < match.end


def _recall_at(scores: Sequence[float], quiet: Sequence[float], share: float) -> float:
    """The share of scores above all but `share` of the honest ones, which are sorted from the highest."""
    threshold = quiet[int(len(quiet) * share)]
    return sum(score > threshold for score in scores) / len(scores)


def _milliseconds(scan: Callable[[str], object], texts: Sequence[str]) -> float:
    """Milliseconds a kilobyte of text."""
    began = time.perf_counter()
    for text in texts:
        scan(text)
    return (time.perf_counter() - began) * 1000 / (sum(map(len, texts)) / 1024 or 1)


def _rows(name: str) -> list[Json]:
    """The rows of a file of the data, none when it is not there."""
    path = DATA / name
    if not path.is_file():
        print(f"skipped: {name} is not beside the project", file=sys.stderr)
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    raise SystemExit(main())
