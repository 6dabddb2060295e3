"""Sign-in at an OpenID provider: authorization code flow with PKCE, state and nonce; the ID token is verified by the provider's own keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from intent import strict_json
from intent.api.console.session import Person
from intent.delegation.discovery import ProviderKeys
from intent.delegation.fault import Fault, refuse
from intent.delegation.identity import Identities, Identity
from intent.errors import DelegationError, InvalidCall
from intent.workbench.records import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from intent.api.console.options import OpenIdOptions

PREFIX = "openid:"
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_WELL_KNOWN = "/.well-known/openid-configuration"
_MOST_VALUES = 1000


@dataclass(frozen=True, slots=True)
class Flow:
    """What one sign-in must still know when the browser comes back from the provider."""

    state: str
    nonce: str
    verifier: str
    after: str

    @classmethod
    def new(cls, after: str) -> Flow:
        """A flow with values that nobody can guess; ``after`` is the path to go to when it is done."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), after)


class NoRole(Exception):
    """The provider knows the person, but nothing that it says of them gives a role."""


class OpenId:
    """One provider.

    Parameters
    ----------
    options
        Which one, and what its claims are worth.
    client
        What fetches; its time-outs hold for each step.
    now
        The clock, with a time zone.
    deadline_s, max_bytes
        Longest exchange and longest answer.
    ttl_s
        How long the provider's addresses are used without asking again.
    """

    def __init__(
        self,
        options: OpenIdOptions,
        client: httpx.Client,
        now: Callable[[], datetime],
        *,
        deadline_s: float = 5.0,
        max_bytes: int = 1 << 18,
        ttl_s: float = 300.0,
    ) -> None:
        self._options, self._client = options, client
        self._deadline_s, self._max_bytes, self._ttl_s = deadline_s, max_bytes, ttl_s
        self._identities = Identities(ProviderKeys(options.issuer, client), issuer=options.issuer, audience=options.client_id, now=now)
        self._lock = threading.Lock()
        self._held: tuple[float, dict[str, Any]] | None = None

    def address(self, flow: Flow, redirect_uri: str) -> str:
        """Where to send the browser.

        Raises
        ------
        DelegationError
            ``unavailable`` where the provider cannot be asked for its addresses.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._options.scope,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    def person(self, flow: Flow, answer: Mapping[str, str], redirect_uri: str) -> Person:
        """Who came back with ``answer``, the query of the redirect.

        Raises
        ------
        DelegationError
            If the answer is not to this flow, or of another provider (RFC 9207); if the code is not taken; if the ID token does not verify,
            or is not for this flow.
        NoRole
            If nothing in the claims gives a role.
        """
        self._check(flow, answer)
        token = self._exchanged(flow, answer["code"], redirect_uri)
        identity = self._identities.verify(token)
        nonce, party = identity.claims.get("nonce"), identity.claims.get("azp", self._options.client_id)
        refuse(not _same(nonce, flow.nonce), Fault.MALFORMED, "the ID token must be of this sign-in")
        refuse(party != self._options.client_id, Fault.AUDIENCE, "the ID token must be issued to this service")
        return self._known(identity)

    def _check(self, flow: Flow, answer: Mapping[str, str]) -> None:
        refuse(not _same(answer.get("state"), flow.state), Fault.MALFORMED, "the answer must be to the sign-in of this browser")
        issuer = answer.get("iss")
        needed = self._document().get("authorization_response_iss_parameter_supported") is True
        refuse(issuer != self._options.issuer if issuer is not None else needed, Fault.ISSUER, "the answer must be the provider's")
        refuse("error" in answer or not answer.get("code"), Fault.UNAVAILABLE, "the provider must give a code")

    def _exchanged(self, flow: Flow, code: str, redirect_uri: str) -> str:
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": flow.verifier}
        options, auth = self._options, None
        methods: object = self._document().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not options.client_secret:
            given["client_id"] = options.client_id
        elif isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods:
            given |= {"client_id": options.client_id, "client_secret": options.client_secret}
        else:
            # Encoded before they are joined (RFC 6749, section 2.3.1).
            auth = httpx.BasicAuth(quote_plus(options.client_id), quote_plus(options.client_secret))
        token = self._json("POST", self._endpoint("token_endpoint"), given, auth).get("id_token")
        if not isinstance(token, str):
            raise DelegationError(Fault.MALFORMED, "the provider must give an ID token")
        return token

    def _known(self, identity: Identity) -> Person:
        values = _values(identity.claims, self._options.claim)
        roles = [self._options.roles[value] for value in values if value in self._options.roles]
        if not roles:
            raise NoRole
        name = f"{PREFIX}{identity.subject}"
        refuse(len(name) > 256, Fault.TOO_LARGE, "the subject must be short")
        texts = (identity.claims.get(claim) for claim in ("name", "preferred_username", "email"))
        shown = next((text for text in texts if isinstance(text, str) and text.strip()), identity.subject)
        return Person(name, shown[:80], max(roles, key=list(Role).index))

    def _endpoint(self, name: str) -> str:
        address = self._document().get(name)
        if not isinstance(address, str) or not _is_safe(address):
            raise DelegationError(Fault.UNAVAILABLE, f"the provider must name its {name}, an https address")
        return address

    def _document(self) -> dict[str, Any]:
        with self._lock:
            if self._held is None or time.monotonic() - self._held[0] >= self._ttl_s:
                refuse(not _is_safe(self._options.issuer), Fault.UNAVAILABLE, "the issuer must be an https address")
                found = self._json("GET", self._options.issuer.rstrip("/") + _WELL_KNOWN)
                refuse(found.get("issuer") != self._options.issuer, Fault.ISSUER, "the discovery document must be the issuer's own")
                self._held = (time.monotonic(), found)
            return self._held[1]

    def _json(self, method: str, url: str, form: dict[str, str] | None = None, auth: httpx.BasicAuth | None = None) -> dict[str, Any]:
        try:
            value = strict_json.loads(self._body(method, url, form, auth), max_bytes=self._max_bytes, where="an answer of the provider")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, InvalidCall, OSError, ValueError) as error:
            raise DelegationError(Fault.UNAVAILABLE, f"the provider must answer: {type(error).__name__}") from error
        if not isinstance(value, dict):
            raise DelegationError(Fault.UNAVAILABLE, "an answer of the provider must be a JSON object")
        return cast("dict[str, Any]", value)

    def _body(self, method: str, url: str, form: dict[str, str] | None, auth: httpx.BasicAuth | None) -> bytes:
        end, body = time.monotonic() + self._deadline_s, bytearray()
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        with self._client.stream(method, url, data=form, auth=auth, headers=headers, follow_redirects=False) as response:
            fine = response.status_code == 200 and response.headers.get("content-encoding", "identity") == "identity"
            refuse(not fine, Fault.UNAVAILABLE, f"the provider must answer 200 unpacked, got {response.status_code}")
            for part in response.iter_raw():
                body += part
                refuse(len(body) > self._max_bytes, Fault.UNAVAILABLE, f"an answer must be at most {self._max_bytes} bytes")
                refuse(time.monotonic() > end, Fault.UNAVAILABLE, f"an answer must come within {self._deadline_s} s")
        return bytes(body)


def _is_safe(url: str) -> bool:
    """Whether what is sent there cannot be read on the way: https, or this machine."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return (parts.scheme == "https" or (parts.scheme == "http" and parts.host in _LOOPBACK)) and not parts.userinfo


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The texts of a claim; its whole name counts before a path, since names of claims may be addresses, which have dots.

    >>> _values({"realm_access": {"roles": ["a", 1]}}, "realm_access.roles")
    ['a']
    """
    found: object = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = cast("dict[str, object]", found).get(part) if isinstance(found, dict) else None
    listed: list[object] = cast("list[object]", found)[:_MOST_VALUES] if isinstance(found, list) else [found]
    return [value for value in listed if isinstance(value, str)]
