"""Questions as people repeat them: topics by Zipf's law, in many wordings, beside topics that differ in one word."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

_PRODUCTS = tuple(
    f"the {name}"
    for name in (
        "billing portal", "mobile app", "reporting module", "VPN", "wiki", "CRM", "mail archive", "time sheet",
        "payroll system", "ticket system", "build server", "guest network", "travel portal", "learning platform",
    )
)  # fmt: skip
_LANGUAGES = ("Python", "Java", "JavaScript", "Go", "Rust", "C", "C++", "C#", "Ruby", "Kotlin", "Swift", "PHP", "Perl")
_COUNTRIES = (
    "France", "Spain", "Austria", "Australia", "Niger", "Nigeria", "Peru", "Norway", "Sweden", "Switzerland",
    "Slovakia", "Slovenia", "Iran", "Iraq", "Mali", "Malta", "Chile", "China", "Kenya", "Korea", "Japan",
    "India", "Ireland", "Iceland",
)  # fmt: skip
_TERMS = (
    "OAuth", "TLS", "a vector database", "a message queue", "idempotency", "eventual consistency", "a bloom filter",
    "sharding", "replication", "backpressure", "a circuit breaker", "event sourcing", "a service mesh", "a data lake",
    "a data warehouse", "zero trust", "a load balancer", "a reverse proxy", "garbage collection", "reference counting",
)  # fmt: skip
_PAIRS = (
    ("TCP", "UDP"), ("REST", "GraphQL"), ("a process", "a thread"), ("Kafka", "NATS"), ("a list", "a tuple"),
    ("SQL", "NoSQL"), ("a class", "an object"), ("HTTP", "HTTPS"), ("IPv4", "IPv6"), ("a stack", "a queue"),
    ("latency", "throughput"), ("a merge", "a rebase"), ("a mutex", "a semaphore"),
)  # fmt: skip
_DAYS = ("7", "10", "14", "20", "30", "60", "90")
_SWITCHES = ("enable", "disable")
_FEATURES = (
    "two-factor authentication", "audit logging", "email notifications", "dark mode", "single sign-on", "the cache",
    "automatic backups", "guest access", "public links", "the beta features", "usage reports", "spell checking",
)  # fmt: skip
_TOOLS = ("Excel", "Tableau", "Power BI", "Looker", "Sheets")

# What is asked, in how many words: of some wordings a cache that must not be wrong cannot tell that they are the same.
_INTENTS: tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...] = (
    (
        ("How do I reset my password for {0}?", "How can I reset my password for {0}?",
         "how to reset my password for {0}", "What is the way to reset my password for {0}?",
         "Please tell me how to reset my password for {0}", "I forgot my password for {0}, what now?"),
        tuple((name,) for name in _PRODUCTS),
    ),
    (
        ("What is the capital of {0}?", "What's the capital of {0}?", "what is {0}'s capital",
         "Can you tell me what the capital of {0} is?", "Which city is the capital of {0}?"),
        tuple((name,) for name in _COUNTRIES),
    ),
    (
        ("How do I read a file in {0}?", "how to read a file in {0}", "How can I read a file in {0}?",
         "How would one read a file in {0}?", "Show me the code that reads a file in {0}"),
        tuple((name,) for name in _LANGUAGES),
    ),
    (
        ("Explain {0}", "Please explain {0}.", "Can you explain {0}?", "Could you please explain {0}",
         "Explain {0} to me like I am new here"),
        tuple((name,) for name in _TERMS),
    ),
    (
        ("What is the difference between {0} and {1}?", "What's the difference between {1} and {0}?",
         "what is the difference between {0} and {1}", "Could you tell me what the difference between {0} and {1} is?",
         "{0} or {1}: which one should I use?"),
        _PAIRS,
    ),
    (
        ("How do I {0} {1}?", "How can I {0} {1}?", "how to {0} {1}", "Is there a way to {0} {1}?",
         "What do I need to do to {0} {1}?", "I want to know how to {0} {1}"),
        tuple((switch, feature) for feature in _FEATURES for switch in _SWITCHES),
    ),
    (
        ("Can I return an order after {0} days?", "Is it possible to return an order after {0} days?",
         "can I return an order after {0} days", "Am I allowed to return an order after {0} days?",
         "May I send back what I ordered {0} days ago?"),
        tuple((days,) for days in _DAYS),
    ),
    (
        ("How do I export reports from {0} to {1}?", "How can I export reports from {0} to {1}?",
         "how to export reports from {0} to {1}", "Please tell me how I export reports from {0} to {1}"),
        tuple((a, b) for a in _TOOLS for b in _TOOLS if a != b),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question.

    Attributes:
        topic: questions on the same topic have the same answer, all others have another.
    """

    topic: int
    text: str


def questions(dice: random.Random, exponent: float = 1.0) -> Iterator[Asked]:
    """Questions without end; the n-th most frequent topic is asked n ** -exponent times as often as the first."""
    topics = [(wordings, names) for wordings, rows in _INTENTS for names in rows]
    dice.shuffle(topics)
    weights = [rank**-exponent for rank in range(1, len(topics) + 1)]
    while True:
        topic = dice.choices(range(len(topics)), weights)[0]
        wordings, names = topics[topic]
        text = dice.choice(wordings).format(*names)
        yield Asked(topic, _as_typed(dice, text))


def _as_typed(dice: random.Random, text: str) -> str:
    """People leave out capitals and question marks, and are polite, now and then."""
    if dice.random() < 0.15:
        text = text.rstrip("?.")
    if dice.random() < 0.1:
        text = f"{text[0].lower()}{text[1:]}"
    if dice.random() < 0.1:
        text = f"Hi, {text[0].lower()}{text[1:]}"
    return text
