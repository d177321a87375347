#!/usr/bin/env python3
"""Has a message signed by a key of a Consign cluster, in the name of a client.

    python3 consign_sign.py --url http://127.0.0.1:7601 --cluster ID --client shop.key --key ID "pay invoice 4711"

Prints the signature: DER, in hexadecimal. Needs Python 3.9 or newer and `cryptography` (Debian: python3-cryptography).
How calls are signed: docs/wire.md, "Signed requests".
"""

import argparse
import base64
import hashlib
import json
import os
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VALID_S = 300  # at most 600
PATIENCE_S = 120
PAUSE_S = 0.2

POST_COVERS = '"@method" "@path" "content-digest" "consign-cluster" "idempotency-key"'
GET_COVERS = '"@method" "@path" "@query" "consign-cluster"'


def read_key(path):
    """The client's key, from the file that `consign client new` made."""
    with open(path, encoding="ascii") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            sys.exit(f"others can read {path}: chmod 600 it")
        mark, digits = file.read().split()
    if mark != "consign-client-key-1":
        sys.exit(f"{path} is no client key: make one with `consign client new`")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digits))


class Client:
    def __init__(self, url, cluster, key, authority=None):
        self.url, self.cluster, self.key = url.rstrip("/"), cluster, key
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = public.hex()
        handlers = [urllib.request.ProxyHandler({})]
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=authority)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self.opener = urllib.request.build_opener(*handlers)

    def signature(self, covers, values):
        """The two header fields of a signature over these values, in the order in which `covers` names them."""
        now = int(time.time())
        params = (
            f"({covers});created={now};expires={now + VALID_S};"
            f'keyid="{self.key_id}";alg="ed25519";tag="consign-v1"'
        )
        lines = [f"{name}: {value}" for name, value in zip(covers.split(), values)]
        base = "\n".join(lines + [f'"@signature-params": {params}'])
        proof = base64.b64encode(self.key.sign(base.encode("ascii"))).decode("ascii")
        return {"Signature-Input": f"consign={params}", "Signature": f"consign=:{proof}:"}

    def post(self, path, body, name):
        """Asks for a ceremony. `name` is the Idempotency-Key: under the same one, the same body is the same request,
        also at another node of the cluster, and after a restart."""
        data = json.dumps(body).encode("ascii")
        digest = "sha-256=:" + base64.b64encode(hashlib.sha256(data).digest()).decode("ascii") + ":"
        headers = self.signature(POST_COVERS, ["POST", path, digest, self.cluster, name])
        headers["Content-Type"] = "application/json"
        headers["Content-Digest"] = digest
        headers["Consign-Cluster"] = self.cluster
        headers["Idempotency-Key"] = name
        return self.send(urllib.request.Request(self.url + path, data=data, headers=headers, method="POST"))

    def get(self, path):
        headers = self.signature(GET_COVERS, ["GET", path, "?", self.cluster])
        headers["Consign-Cluster"] = self.cluster
        return self.send(urllib.request.Request(self.url + path, headers=headers))

    def send(self, request):
        try:
            with self.opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # A problem document (RFC 9457) says what to do.
            problem = json.load(error)
            sys.exit(f"{problem['title']}: {problem['detail']}")
        except urllib.error.URLError as error:
            sys.exit(f"cannot talk to {self.url}: {error.reason}")

    def sign(self, key, message, name):
        """Signs a message (SHA-256), and waits for the end of the ceremony."""
        body = {"path": "m", "message": message.hex(), "hash": "sha256"}
        ceremony = self.post(f"/v1/keys/{key}/signatures", body, name)
        deadline = time.monotonic() + PATIENCE_S
        while ceremony["state"] in ("proposed", "running"):
            if time.monotonic() > deadline:
                sys.exit(f"not done after {PATIENCE_S} s; ask again with --name {name}")
            time.sleep(PAUSE_S)
            ceremony = self.get(f"/v1/ceremonies/{ceremony['id']}")
        if ceremony["state"] == "awaiting_approval":
            # It goes on when it is asked for again, once the operators have approved it.
            sys.exit(f"{ceremony['failure']['detail']} Then ask again with --name {name}")
        if ceremony["state"] != "done":
            sys.exit(ceremony["failure"]["detail"])
        return ceremony["outcome"]["signature"]


def main():
    parser = argparse.ArgumentParser(description="Have a message signed by a key of a Consign cluster.")
    parser.add_argument("--url", required=True, help="address of a node's API, like https://node1.example.org:7601")
    parser.add_argument("--ca", help="certificate (PEM) of the authority behind the node's, if the system does not know it")
    parser.add_argument("--cluster", required=True, help="id of the cluster")
    parser.add_argument("--client", required=True, help="key file, made by `consign client new`")
    parser.add_argument("--key", required=True, help="id of the key that shall sign")
    parser.add_argument("--name", default=secrets.token_hex(16), help="name of the request; the same one again is the same request")
    parser.add_argument("message", help="text to sign")
    wanted = parser.parse_args()
    client = Client(wanted.url, wanted.cluster, read_key(wanted.client), wanted.ca)
    signature = client.sign(wanted.key, wanted.message.encode("utf-8"), wanted.name)
    print(signature["der"])


if __name__ == "__main__":
    main()
