"""CloudEvents: what goes out comes back; what is not one is refused."""

from contextlib import suppress

import pytest
from cloudevents.http import from_json
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.context import RequestContext, serving
from functions.kit.events import Event, EventError
from functions.kit.subjects import ProviderUpdated, all_subjects


def test_an_event_carries_who_and_which_request() -> None:
    data = ProviderUpdated(tenant_id="t1", providers=["openai"])
    with serving(RequestContext("req-1", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "acme")):
        event = Event.of(data, tenant_id="t1", source="/dcoder/platform")
    official = from_json(event.to_json())
    assert official["type"] == "provider.updated"
    assert official["requestid"] == "req-1"
    assert official["platformid"] == "acme"
    assert official.data == {"tenantId": "t1", "providers": ["openai"]}
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'"x"', b"{", b'{"specversion":"1.0","id":"1","source":"s","type":"t"}',
     b'{"specversion":"0.3","id":"1","source":"s","type":"t","data":{}}',
     b'{"specversion":"1.0","id":1,"source":"s","type":"t","data":{}}'],
)  # fmt: skip
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(EventError):
        Event.from_json(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    with suppress(EventError):
        assert Event.from_json(body).id


def test_subjects_are_unique_and_in_the_form_domain_action() -> None:
    subjects = [kind.subject for kind in all_subjects()]
    assert len(set(subjects)) == len(subjects) > 0
    assert all(len(subject.split(".")) == 2 and subject.islower() for subject in subjects)
