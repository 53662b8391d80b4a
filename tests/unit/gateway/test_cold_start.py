"""What a gateway loads before it can answer: a cold start is waited for by somebody."""

import subprocess
import sys

# Needed by background work, by other functions, or only in some calls; each takes some tenths of a second.
_LATER = {
    "functions_framework",
    "google.protobuf",
    "nats",
    "numpy",
    "obstore",
    "opentelemetry.sdk",
    "redis",
    "requests",
    "toktok",
}
_PROGRAM = """
import sys
from functions.kit.serve import load_app
load_app(sys.argv[1])
print(*sorted(sys.modules), sep="\\n")
"""


def test_the_gateway_s_functions_load_nothing_that_their_first_answer_does_without() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, "gateway-chat"], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "functions.gateway.chat.main" in loaded
    assert not loaded & _LATER
