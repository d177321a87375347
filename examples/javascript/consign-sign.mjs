// Has a message signed by a key of a Consign cluster, in the name of a client.
//
//     node consign-sign.mjs --url http://127.0.0.1:7601 --cluster ID --client shop.key --key ID "pay invoice 4711"
//
// Prints the signature: DER, in hexadecimal. Needs Node 18.3 or newer and no packages. For a certificate of an authority
// that Node does not know, set NODE_EXTRA_CA_CERTS=ca.pem. How calls are signed: docs/wire.md, "Signed requests".

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const VALID_S = 300; // at most 600
const PATIENCE_MS = 120_000;
const PAUSE_MS = 200;

const POST_COVERS = '"@method" "@path" "content-digest" "consign-cluster" "idempotency-key"';
const GET_COVERS = '"@method" "@path" "@query" "consign-cluster"';

/** The client's key, from the file that `consign client new` made. */
function readKey(path) {
  if (statSync(path).mode & 0o077) throw new Error(`others can read ${path}: chmod 600 it`);
  const seed = /^consign-client-key-1 ([0-9a-f]{64})\r?\n?$/.exec(readFileSync(path, "ascii"))?.[1];
  if (!seed) throw new Error(`${path} is no client key: make one with \`consign client new\``);
  // PKCS#8 of an Ed25519 key (RFC 8410): these bytes, then the seed.
  const der = Buffer.from("302e020100300506032b657004220420" + seed, "hex");
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

class Client {
  constructor(url, cluster, key) {
    this.url = url.replace(/\/$/, "");
    this.cluster = cluster;
    this.key = key;
    this.keyId = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x, "base64url").toString("hex");
  }

  /** The two header fields of a signature over these values, in the order in which `covers` names them. */
  signature(covers, values) {
    const now = Math.floor(Date.now() / 1000);
    const params =
      `(${covers});created=${now};expires=${now + VALID_S};` +
      `keyid="${this.keyId}";alg="ed25519";tag="consign-v1"`;
    const lines = covers.split(" ").map((name, i) => `${name}: ${values[i]}`);
    const base = [...lines, `"@signature-params": ${params}`].join("\n");
    const proof = sign(null, Buffer.from(base, "ascii"), this.key).toString("base64");
    return { "Signature-Input": `consign=${params}`, Signature: `consign=:${proof}:` };
  }

  /** Asks for a ceremony. `name` is the Idempotency-Key: under the same one, the same body is the same request, also at
   *  another node of the cluster, and after a restart. */
  post(path, body, name) {
    const text = JSON.stringify(body);
    const digest = `sha-256=:${createHash("sha256").update(text).digest("base64")}:`;
    const headers = {
      ...this.signature(POST_COVERS, ["POST", path, digest, this.cluster, name]),
      "Content-Type": "application/json",
      "Content-Digest": digest,
      "Consign-Cluster": this.cluster,
      "Idempotency-Key": name,
    };
    return this.send(path, { method: "POST", headers, body: text });
  }

  get(path) {
    const headers = {
      ...this.signature(GET_COVERS, ["GET", path, "?", this.cluster]),
      "Consign-Cluster": this.cluster,
    };
    return this.send(path, { headers });
  }

  async send(path, request) {
    const answer = await fetch(this.url + path, { ...request, redirect: "error", signal: AbortSignal.timeout(30_000) });
    const view = await answer.json();
    // A problem document (RFC 9457) says what to do.
    if (!answer.ok) throw new Error(`${view.title}: ${view.detail}`);
    return view;
  }

  /** Signs a message (SHA-256), and waits for the end of the ceremony. */
  async sign(key, message, name) {
    const body = { path: "m", message: message.toString("hex"), hash: "sha256" };
    let ceremony = await this.post(`/v1/keys/${key}/signatures`, body, name);
    const deadline = Date.now() + PATIENCE_MS;
    while (ceremony.state === "proposed" || ceremony.state === "running") {
      if (Date.now() > deadline) throw new Error(`not done after ${PATIENCE_MS} ms; ask again with --name ${name}`);
      await pause(PAUSE_MS);
      ceremony = await this.get(`/v1/ceremonies/${ceremony.id}`);
    }
    if (ceremony.state === "awaiting_approval") {
      // It goes on when it is asked for again, once the operators have approved it.
      throw new Error(`${ceremony.failure.detail} Then ask again with --name ${name}`);
    }
    if (ceremony.state !== "done") throw new Error(ceremony.failure.detail);
    return ceremony.outcome.signature;
  }
}

try {
  const text = { type: "string" };
  const options = { url: text, cluster: text, client: text, key: text, name: text };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const { url, cluster, client, key, name = randomBytes(16).toString("hex") } = values;
  if (!url || !cluster || !client || !key || positionals.length !== 1) {
    throw new Error("usage: consign-sign.mjs --url URL --cluster ID --client FILE --key ID [--name NAME] MESSAGE");
  }
  const signer = new Client(url, cluster, readKey(client));
  const signature = await signer.sign(key, Buffer.from(positionals[0], "utf8"), name);
  console.log(signature.der);
} catch (error) {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
}
