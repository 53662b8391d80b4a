"""Whatever a request held, its refusal can be said."""

import json

import pytest

from functions.kit.errors import Unprocessable
from functions.kit.failures import error_response


@pytest.mark.parametrize("told", [json.loads('"\\ud800"'), 10**30])
def test_details_that_quote_what_json_hardly_holds(told: object) -> None:
    answer = error_response(Unprocessable("no", details={"field": told}))
    assert answer.status_code == 422
    assert json.loads(bytes(answer.body))["error"]["details"] == {"field": told}
