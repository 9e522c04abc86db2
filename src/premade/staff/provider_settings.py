"""The identity provider of the operator: its settings, its errors, and the secrets of one sign-in."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from premade.runtime.errors import Unauthenticated, Unavailable
from premade.runtime.settings import Settings

EMAIL = "email"
NO_CLAIM = "none"
"""Value of the setting for a claim: no claim names a member."""


class SecondFactorPolicy(StrEnum):
    """Whether a member whom the provider has identified also enters a code here, if the member or the role needs one."""

    ASK = "ask"
    AMR = "amr"
    """Not if the ID token says that the provider has checked several factors (RFC 8176: `mfa`)."""
    TRUST = "trust"


@dataclass(frozen=True)
class ProviderSettings:
    """The settings of the identity provider."""

    issuer: str
    client_id: str
    name: str
    """On the button."""
    claim: str
    second_factor: SecondFactorPolicy
    settings: Settings

    def client_secret(self) -> str | None:
        """Return the client secret, or None for a client without one. The file is read each time: it can be replaced.

        Raises:
            ProviderAway: the file cannot be read.
        """
        if self.settings.oidc_client_secret is not None:
            return self.settings.oidc_client_secret.get_secret_value()
        path = self.settings.oidc_client_secret_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise ProviderAway("no_secret", f"{path}: {type(error).__name__}") from None


def provider_settings(settings: Settings) -> ProviderSettings | None:
    """Return the settings of the identity provider, or None if there is none."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    return ProviderSettings(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_name,
        settings.oidc_claim,
        SecondFactorPolicy(settings.oidc_second_factor),
        settings,
    )


@dataclass(frozen=True)
class ProviderAccount:
    """An account that signed in at the provider. Its ID token was valid."""

    issuer: str
    subject: str
    name: str | None
    """The claim that can name a member of staff."""
    has_several_factors: bool


@dataclass(frozen=True)
class SignInSecrets:
    """The secrets of one sign-in. All come from the token in the browser's cookie, so nothing is stored."""

    token: str

    @property
    def state(self) -> str:
        """It binds the response of the provider to the browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """It binds the ID token to the browser."""
        return self._derived("nonce")

    @property
    def code_verifier(self) -> str:
        """It proves to the provider that the code was issued for this sign-in (RFC 7636)."""
        return self._derived("code verifier")

    @property
    def code_challenge(self) -> str:
        """The SHA-256 of the verifier."""
        return _base64url(hashlib.sha256(self.code_verifier.encode()).digest())

    def is_state(self, sent: str) -> bool:
        """Return whether this is the state of the sign-in."""
        return hmac.compare_digest(self.state.encode(), sent.encode(errors="surrogatepass"))

    def _derived(self, purpose: str) -> str:
        key = self.token.encode(errors="surrogatepass")
        return _base64url(hmac.new(key, f"sign-in {purpose}".encode(), hashlib.sha256).digest())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(eq=False)
class ProviderAway(Unavailable):
    """The identity provider cannot be reached, or answers what premade cannot use."""

    code = "PROVIDER_AWAY"
    retry_after_seconds = 10

    reason: Literal["no_response", "unusable", "no_secret"]
    why: str = ""
    """For the log and the doctor."""


@dataclass(eq=False)
class ProviderRefused(Unauthenticated):
    """The sign-in at the identity provider does not sign anybody in here."""

    code = "PROVIDER_SIGN_IN_REFUSED"

    reason: Literal["denied", "other_browser", "code", "client", "token", "clock", "no_member"]
    why: str = ""
    """For the log."""
    subject: str = ""
    """The account's id at the provider, for an admin who links it."""
