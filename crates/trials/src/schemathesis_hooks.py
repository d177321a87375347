"""How Schemathesis talks to a Consign node: signed by a client (RFC 9421 in the node's strict profile), with the token, or
with neither; and what counts as an answer. Run by `consign-trials schema`."""

import base64
import hashlib
import os
import time
from urllib.parse import urlsplit

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WAY = os.environ["TRIAL_WAY"]  # signed, token or open
CLUSTER = os.environ["TRIAL_CLUSTER"]
TOKEN = os.environ["TRIAL_TOKEN"]
SECRET = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(os.environ["TRIAL_CLIENT_SEED"]))
CLIENT = SECRET.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
REAL = {"keys": os.environ["TRIAL_KEY"], "ceremonies": os.environ["TRIAL_CEREMONY"]}
LEVEL = os.environ["TRIAL_LEVEL"]
VALID_S = 300
# What a node may answer though it is in order: a peer refuses or cheats, too few are there or all places are taken, a
# ceremony takes too long. The description must name each of them where it occurs.
DOCUMENTED_5XX = {502, 503, 504}


class Entry(requests.auth.AuthBase):
    """Whatever Schemathesis has made of a call is what is signed, byte for byte."""

    def __call__(self, call):
        # A node waits up to five minutes for a ceremony if it is told so.
        if "Prefer" in call.headers and "wait" in str(call.headers["Prefer"]):
            call.headers["Prefer"] = "wait=1"
        if WAY == "token":
            call.headers["Authorization"] = f"Bearer {TOKEN}"
        if WAY != "signed":
            return call
        parts = urlsplit(call.url)
        created = int(time.time())
        if call.method == "POST":
            body = call.body or b""
            body = body.encode() if isinstance(body, str) else body
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            call.headers["Content-Digest"] = f"sha-256=:{digest}:"
            call.headers.setdefault("Idempotency-Key", os.urandom(16).hex())
            key = call.headers["Idempotency-Key"]
            key = key.decode("latin-1") if isinstance(key, bytes) else key
            fields = [
                ("@method", "POST"),
                ("@path", parts.path),
                ("content-digest", f"sha-256=:{digest}:"),
                ("consign-cluster", CLUSTER),
                ("idempotency-key", key),
            ]
        else:
            fields = [
                ("@method", call.method),
                ("@path", parts.path),
                ("@query", f"?{parts.query}"),
                ("consign-cluster", CLUSTER),
            ]
        covered = " ".join(f'"{name}"' for name, _ in fields)
        params = (
            f'({covered});created={created};expires={created + VALID_S};keyid="{CLIENT}";alg="ed25519";tag="consign-v1"'
        )
        base = "".join(f'"{name}": {value}\n' for name, value in fields) + f'"@signature-params": {params}'
        signature = base64.b64encode(SECRET.sign(base.encode("utf-8", "surrogateescape"))).decode()
        call.headers["Consign-Cluster"] = CLUSTER
        call.headers["Signature-Input"] = f"consign={params}"
        call.headers["Signature"] = f"consign=:{signature}:"
        return call


schemathesis.auth.set_from_requests(Entry())


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The description rightly names no level that only test builds have; keys of one are looked at all the same."""
    levels = raw_schema["components"]["schemas"]["Level"]["enum"]
    if LEVEL not in levels:
        levels.append(LEVEL)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the calls about a key or a ceremony are about one that there is."""
    kind = context.operation.path.split("/")[2] if context.operation.path.count("/") > 1 else ""
    text = str((path_parameters or {}).get("id"))
    if kind in REAL and hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] % 2:
        path_parameters["id"] = REAL[kind]
    return path_parameters


@schemathesis.check
def no_fault_of_the_node(context, response, case):
    """No 5xx but those that are documented."""
    if response.status_code >= 500 and response.status_code not in DOCUMENTED_5XX:
        raise AssertionError(f"the node answers {response.status_code}")
