// One HTTP request through `wasi:http`: copy this file too. The host connects, under
// the grants of the action, and puts secrets in the place of placeholders.

import handler from "wasi:http/outgoing-handler@0.2.6";
import types from "wasi:http/types@0.2.6";

/** What one write or read moves at once, bytes. */
const PIECE = 4096;
const URL = /^(https?):\/\/([^/?#\s]+)([^#\s]*)/i;

/** What trying again does not mend: a host that is not granted, a wrong request. */
const FINAL = /^(HTTP-request|destination-IP|TLS-certificate|configuration)/;

/** The request could not be made, or got no answer; `mayPass` if trying again may help. */
export class HttpError extends Error {
  constructor(message, mayPass = true) {
    super(message);
    this.mayPass = mayPass;
  }
}

/**
 * Sends a request and reads its answer: `{ status, headers, text }`.
 * `headers` is an object with lower-case names.
 */
export function send(method, url, { headers = {}, body = "" } = {}) {
  const [, scheme, authority, path] = URL.exec(url) ?? fail(`${url} is no http or https address`, false);
  const request = new types.OutgoingRequest(fields(headers));
  request.setMethod({ tag: method.toLowerCase() });
  request.setScheme({ tag: scheme.toUpperCase() });
  request.setAuthority(authority);
  request.setPathWithQuery(path.startsWith("/") ? path : `/${path}`);
  const sink = request.body();
  const response = attempt(() => handler.handle(request, null));
  write(sink, bytes(body));
  return read(answer(response));
}

function fields(headers) {
  const entries = Object.entries(headers);
  return types.Fields.fromList(entries.map(([name, value]) => [name, bytes(value)]));
}

/** Sends a body. That it cannot be sent is told by the answer, which says why. */
function write(sink, bytes) {
  const stream = sink.write();
  try {
    for (let at = 0; at < bytes.length; at += PIECE) {
      stream.blockingWriteAndFlush(bytes.subarray(at, at + PIECE));
    }
    drop(stream);
    types.OutgoingBody.finish(sink, null);
  } catch (error) {
    if (!error.payload) throw error;
  }
}

/** Waits for the head of the answer. */
function answer(response) {
  const ready = response.subscribe();
  ready.block();
  drop(ready);
  const got = response.get();
  if (got.tag === "err") fail("the answer was taken already");
  if (got.val.tag === "err") throw failed(got.val.val);
  return got.val.val;
}

function read(response) {
  const headers = {};
  for (const [name, value] of response.headers().entries()) {
    headers[name.toLowerCase()] = text(value);
  }
  const body = response.consume();
  const stream = body.stream();
  try {
    return { status: response.status(), headers, text: text(all(stream)) };
  } finally {
    drop(stream, body, response);
  }
}

function all(stream) {
  const got = [];
  for (;;) {
    try {
      got.push(...stream.blockingRead(PIECE));
    } catch (error) {
      if (error.payload?.tag === "closed") return got;
      fail("the answer ended before its time");
    }
  }
}

/** Gives handles back, in this order: a child before whose it is. */
function drop(...handles) {
  for (const handle of handles) handle[Symbol.dispose]();
}

// QuickJS has no TextEncoder and no TextDecoder.

function bytes(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));
}

function text(bytes) {
  try {
    return decodeURIComponent(escape(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")));
  } catch {
    return fail("the answer is no UTF-8 text", false);
  }
}

function attempt(work) {
  try {
    return work();
  } catch (error) {
    throw error.payload ? failed(error.payload) : error;
  }
}

/** An error of `wasi:http` in words. */
function failed({ tag, val = null }) {
  const detail = val === null ? "" : `: ${typeof val === "string" ? val : JSON.stringify(val)}`;
  return new HttpError(`the request failed: ${tag}${detail}`, !FINAL.test(tag));
}

function fail(message, mayPass = true) {
  throw new HttpError(message, mayPass);
}
