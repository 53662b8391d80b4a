"""Short-lived credentials of an S3 store: AWS's Security Token Service, which MinIO and SeaweedFS speak as well."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import Settings

_logger = logging.getLogger("dcoder.objects")

_VERSION = "2011-06-15"
_FORM = "application/x-www-form-urlencoded"
_ALGORITHM = "AWS4-HMAC-SHA256"
_TRIES = 2
_AMAZON = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


@dataclass(frozen=True, slots=True)
class StoreSession:
    """Credentials that end.

    Attributes:
        until: on `time.monotonic()`; no clock but our own counts, and how long it lasts is the store's word.
        seconds: how long it lasts altogether.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(repr=False)
    until: float
    seconds: float

    def lasts(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()


class SecurityTokens:
    """Sessions of the settings' user, each with less than the user or the role may do.

    Source: AWS, "AssumeRole"; MinIO, "AssumeRole", which takes no role.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._role = settings.s3_tenant_role if settings.s3_tenant_role.startswith("arn:") else ""
        self._url = token_service(settings)

    async def session(self, name: str, policy: Mapping[str, Any], seconds: int) -> StoreSession:
        """A session that may do what both the policy and the role, or the user, allow.

        Args:
            name: the session's, as the store's own audit shows it.

        Raises:
            DependencyUnavailable: the service is away, refuses or does not answer in time; the log has its words.
        """
        form = {
            "Action": "AssumeRole",
            "Version": _VERSION,
            "RoleSessionName": name,
            "DurationSeconds": str(seconds),
            "Policy": json.dumps(policy, separators=(",", ":")),
            **({"RoleArn": self._role} if self._role else {}),
        }
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.s3_timeout_seconds):
                status, answer, date = await self._ask(urlencode(form).encode())
        except TimeoutError as error:
            raise _away("no session is given in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _away("its token service cannot be reached") from error
        if status != 200:
            # Not in the error's own words, which callers are told.
            _logger.warning("the store's token service refuses", extra={"status": status, "reason": _reason(answer)})
            raise _away("its token service refuses")
        return _session(answer, begun, seconds, date)

    async def _ask(self, body: bytes) -> tuple[int, bytes, str | None]:
        tries = _TRIES
        async with aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as http:
            while True:
                tries -= 1
                try:
                    headers = self._headers(body)
                    async with http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                        if answer.status < 500 or not tries:
                            return answer.status, await answer.read(), answer.headers.get("Date")
                except aiohttp.ClientError:
                    if not tries:
                        raise

    def _headers(self, body: bytes) -> dict[str, str]:
        settings = self._settings
        if settings.s3_access_key is None or settings.s3_secret_key is None:
            # Whatever else tells the cloud who we are, obstore finds it, and nothing of it can be asked for here.
            _logger.error("sessions of tenants' objects need DCODER_S3_ACCESS_KEY and DCODER_S3_SECRET_KEY")
            raise _away("no session can be asked for")
        return signed(
            self._url,
            body,
            key=settings.s3_access_key.get_secret_value(),
            secret=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
            at=datetime.now(UTC),
        )


def token_service(settings: Settings) -> str:
    """Where sessions are given: where the settings say, else at the cloud's own, else where the objects are."""
    if settings.s3_sts_endpoint:
        return f"{settings.s3_sts_endpoint.rstrip('/')}/"
    host = urlsplit(settings.s3_endpoint).hostname or "s3.amazonaws.com"
    if _AMAZON.search(host):
        china = ".cn" if host.endswith(".cn") else ""
        return f"https://sts.{settings.s3_region}.amazonaws.com{china}/"
    return f"{settings.s3_endpoint.rstrip('/')}/"


def signed(url: str, body: bytes, *, key: str, secret: str, region: str, at: datetime) -> dict[str, str]:
    """The headers of a form that is POSTed to the token service.

    Source: AWS, "Create a signed AWS API request" (Signature Version 4).
    """
    moment, parts = at.strftime("%Y%m%dT%H%M%SZ"), urlsplit(url)
    scope = f"{moment[:8]}/{region}/sts/aws4_request"
    headers = {"content-type": _FORM, "host": parts.netloc, "x-amz-date": moment}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n{parts.path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    signature = hmac.digest(signing, text.encode(), "sha256").hex()
    return {
        **headers,
        "authorization": f"{_ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def _session(answer: bytes, begun: float, seconds: int, date: str | None) -> StoreSession:
    told = _texts(answer)
    try:
        ends = datetime.fromisoformat(told["Expiration"])
        # Both moments are the store's, so that nobody's clock needs to be right.
        told_seconds = (ends - (parsedate_to_datetime(date) if date else datetime.now(UTC))).total_seconds()
        lasting = min(told_seconds, seconds)
        return StoreSession(
            told["AccessKeyId"], told["SecretAccessKey"], told["SessionToken"], begun + lasting, lasting
        )
    except (KeyError, ValueError, TypeError) as error:
        raise _away("its token service's answer makes no sense") from error


def _texts(answer: bytes) -> dict[str, str]:
    from xml.etree import ElementTree as ET

    try:
        root = ET.fromstring(answer)  # noqa: S314 - from the store that we are about to trust with objects
    except ET.ParseError:
        return {}
    return {found.tag.rpartition("}")[2]: (found.text or "").strip() for found in root.iter()}


def _reason(answer: bytes) -> str:
    told = _texts(answer)
    return f"{told.get('Code', '')}: {told.get('Message', '')}"[:500]


def _away(why: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"the object store is not available: {why}", details={"dependency": "objects"})
