"""An OpenID Connect issuer behind a transport, with a clock of the test's own."""

import json
import time
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from app.service.directory import Directory, roles_of

ISSUER = "https://login.example.org/realm"
ROLES = roles_of("viewer=viewer,line-2=labeler,plant=operator,admin=admin")
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Answers for its keys; `away`: does not."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.now = 1000.0
        self.issuer = ISSUER
        self.keys = [json.loads(ECAlgorithm.to_jwk(EC.public_key())) | {"kid": "a"}]
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.directory = Directory(
            ISSUER, "onset", "groups", ROLES, client=client, clock=lambda: self.now
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        if request.url.path.endswith("openid-configuration"):
            self.asked += 1
            keys = "https://login.example.org/keys"
            return httpx.Response(200, json={"issuer": self.issuer, "jwks_uri": keys})
        return httpx.Response(200, json={"keys": self.keys})


def signed(key: Any = EC, algorithm: str = "ES256", kid: str = "a", **more: Any) -> str:
    """Sign what a directory says of Ada, but for what is said otherwise."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "onset",
        "sub": "4711",
        "exp": now + 300,
        "email": "ada@example.org",
        "groups": ["everybody", "plant", "line-2"],
    } | more
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})
