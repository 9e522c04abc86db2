"""A client of the identity provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).

Only a process with a provider imports this module: its libraries take memory.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode

import httpx
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key
from pydantic import BaseModel, ValidationError

from premade.runtime.clock import Runtime
from premade.runtime.settings import is_safe_provider_address
from premade.staff.provider_settings import (
    EMAIL,
    NO_CLAIM,
    ProviderAccount,
    ProviderAway,
    ProviderRefused,
    ProviderSettings,
    SignInSecrets,
)

Kind = TypeVar("Kind", bound=BaseModel)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key. The provider's document cannot add others."""
RESPONSE_BYTES_MAX = 256 * 1024
REQUEST_SECONDS_MAX = 10
REQUESTS_AT_ONCE_MAX = 8
"""In a process. A request that waits for its turn uses up its seconds."""
CLOCK_SECONDS_APART_MAX = 60
DISCOVERY_SECONDS_MAX = 3_600
"""How long a process uses the provider's document and keys."""
KEYS_SECONDS_MIN = 60
"""A process reads the keys again for a token with an unknown key, but not more often than this."""
SUBJECT_CHARACTERS_MAX = 255
_KEY_TYPES = ("RSA", "EC", "OKP")
_HTTP_OK = 200
_CLIENT_ERRORS = range(400, 429)
"""Below 429, Too Many Requests."""


class _Discovery(BaseModel):
    """The provider's description of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


class _TokenResponse(BaseModel):
    id_token: str


@dataclass(frozen=True)
class _Known:
    """What a process knows of the provider, and since when, by the monotonic clock."""

    discovery: _Discovery
    keys: KeySet
    since_seconds: float


class Provider:
    """The identity provider, as one process uses it."""

    def __init__(self, settings: ProviderSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._known: _Known | None = None
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE_MAX)

    async def sign_in_address(self, secrets: SignInSecrets, redirect_uri: str) -> str:
        """Return the address at the provider where a browser signs in.

        Raises:
            ProviderAway: the provider cannot be reached, or its document is unusable.
        """
        endpoint = (await self._current()).discovery.authorization_endpoint
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": secrets.code_challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    async def account_of(self, code: str, secrets: SignInSecrets, redirect_uri: str) -> ProviderAccount:
        """Exchange the code of a sign-in for the account that signed in.

        Raises:
            ProviderAway: the provider cannot be reached, or its response is unusable.
            ProviderRefused: the provider refused the code, or its ID token is not valid.
        """
        known = await self._current()
        id_token = await self._exchange(known.discovery, code, secrets, redirect_uri)
        try:
            return self._verified(id_token, known.keys, secrets.nonce)
        except InvalidKeyIdError:
            # The provider has replaced its keys.
            known = await self._current(not_before=self._runtime.monotonic_seconds() - KEYS_SECONDS_MIN)
        try:
            return self._verified(id_token, known.keys, secrets.nonce)
        except InvalidKeyIdError:
            raise ProviderRefused("token", "unknown key") from None

    async def check(self) -> None:
        """Read the provider's document and keys.

        Raises:
            ProviderAway: they cannot be read, or the document is not that of the configured issuer.
        """
        _key_set(await self._get((await self._discover()).jwks_uri))

    async def _discover(self) -> _Discovery:
        address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        discovery = _read(_Discovery, await self._get(address))
        endpoints = (discovery.authorization_endpoint, discovery.token_endpoint, discovery.jwks_uri)
        if discovery.issuer != self._settings.issuer:
            raise ProviderAway("unusable", f"the document is of the issuer {discovery.issuer[:200]!r}")
        if not all(map(is_safe_provider_address, endpoints)):
            raise ProviderAway("unusable", "an endpoint in the document is no https address")
        return discovery

    async def _current(self, not_before: float | None = None) -> _Known:
        now = self._runtime.monotonic_seconds()
        oldest = now - DISCOVERY_SECONDS_MAX if not_before is None else not_before
        if self._known is None or self._known.since_seconds < oldest:
            discovery = await self._discover()
            keys = _key_set(await self._get(discovery.jwks_uri))
            self._known = _Known(discovery, keys, now)
        return self._known

    async def _get(self, address: str) -> Any:
        status, document = await self._request("GET", address)
        if status != _HTTP_OK:
            raise ProviderAway("unusable", f"{address} answered {status}")
        return document

    async def _exchange(
        self, discovery: _Discovery, code: str, secrets: SignInSecrets, redirect_uri: str
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": secrets.code_verifier,
        }
        client_id, secret = self._settings.client_id, self._settings.client_secret()
        basic = None
        if secret is None:
            form["client_id"] = client_id
        elif "client_secret_basic" in discovery.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are encoded as in a form.
            basic = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        status, document = await self._request("POST", discovery.token_endpoint, form, basic)
        if status in _CLIENT_ERRORS:
            error = _error_in(document)
            raise ProviderRefused("code" if error == "invalid_grant" else "client", error)
        if status != _HTTP_OK:
            raise ProviderAway("unusable", f"the token endpoint answered {status}")
        return _read(_TokenResponse, document).id_token

    def _verified(self, id_token: str, keys: KeySet, nonce: str) -> ProviderAccount:
        """Check the ID token (OpenID Connect Core 1.0, 3.1.3.7), and return its account.

        Raises:
            InvalidKeyIdError: no key of the provider has the token's key id.
            ProviderRefused: the token is not valid.
        """
        required = jwt.JWTClaimsRegistry(
            now=int(self._runtime.now().timestamp()),
            leeway=CLOCK_SECONDS_APART_MAX,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
            azp={"essential": False, "value": self._settings.client_id},
        )
        try:
            claims = jwt.decode(id_token, keys, algorithms=list(ALGORITHMS)).claims
            required.validate(claims)
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError, TypeError, KeyError) as error:
            claim = error.claim if isinstance(error, ClaimError) else None
            why = f"{type(error).__name__} {claim or ''}".strip()
            raise ProviderRefused("clock" if claim in {"exp", "iat", "nbf"} else "token", why) from None
        subject, audience = claims["sub"], claims["aud"]
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or "\0" in subject:
            raise ProviderRefused("token", "subject")
        if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:  # pyright: ignore[reportUnknownArgumentType]
            raise ProviderRefused("token", "azp")
        return ProviderAccount(
            self._settings.issuer, subject, self._name_in(claims), "mfa" in _texts(claims.get("amr"))
        )

    def _name_in(self, claims: Mapping[str, Any]) -> str | None:
        """Return the claim that names a member, or None. An e-mail address that is not verified names nobody."""
        claim = self._settings.claim
        if claim == NO_CLAIM or (claim == EMAIL and claims.get("email_verified") is not True):
            return None
        name = claims.get(claim)
        return name if isinstance(name, str) and name else None

    async def _request(
        self,
        method: str,
        address: str,
        form: Mapping[str, str] | None = None,
        basic: httpx.BasicAuth | None = None,
    ) -> tuple[int, Any]:
        """Return the status and the JSON of the response. No redirect is followed.

        Raises:
            ProviderAway: there is no response in time, or it is too large or no JSON.
        """
        # Compressed, a small response could be a large one.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS_MAX),
                self._turns,
                httpx.AsyncClient(verify=_trusted(), timeout=REQUEST_SECONDS_MAX) as client,
                client.stream(method, address, data=form, headers=headers, auth=basic) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > RESPONSE_BYTES_MAX:
                        raise ProviderAway("unusable", f"{address} answered more than {RESPONSE_BYTES_MAX} B")
                return response.status_code, json.loads(body)
        except TimeoutError:
            raise ProviderAway("no_response", f"{address} did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            raise ProviderAway("no_response", f"{address}: {why}") from None
        except (ValueError, RecursionError):
            raise ProviderAway("unusable", f"{address} answered no JSON") from None


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificates, or those of SSL_CERT_FILE."""
    return ssl.create_default_context()


def _read(kind: type[Kind], document: Any) -> Kind:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
        raise ProviderAway("unusable", f"a response of the provider lacks: {fields or 'all'}") from None


def _key_set(document: Any) -> KeySet:
    """Return the keys that can sign a token. Keys of kinds that this version does not know are left out."""
    keys: list[Any] = []
    for each in _read(_Keys, document).keys:
        with suppress(JoseError, ValueError, TypeError, KeyError):
            if each.get("kty") in _KEY_TYPES and each.get("use", "sig") == "sig":
                keys.append(import_key(each))
    if not keys:
        raise ProviderAway("unusable", "the provider has no key that can sign a token")
    return KeySet(keys)


def _error_in(document: Any) -> str:
    error: Any = document.get("error") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return error[:100] if isinstance(error, str) else "unknown"


def _texts(claim: Any) -> list[str]:
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []  # pyright: ignore[reportUnknownVariableType]
