// `graphql.query`: one request to a GraphQL service. It imports `wasi:http` and the
// credentials of its node: effectful.

import credentials from "nebula:action/credentials@0.1.0";
import log from "nebula:action/log@0.1.0";
import { HttpError, send } from "./http.js";
import { component, InvalidInput, Permanent, Retryable } from "./nebula.js";

const query = {
  id: "graphql.query",
  name: "Query GraphQL",
  version: "0.1.0",
  description: "Sends a query to a GraphQL service, and gives its data.",
  input: {
    type: "object",
    required: ["url", "query"],
    additionalProperties: false,
    properties: {
      url: { type: "string", title: "Address", pattern: "^https?://", examples: ["https://api.example/graphql"] },
      query: { type: "string", title: "Query", minLength: 1, examples: ["{ viewer { login } }"] },
      variables: { type: "object" },
      authorized: { type: "boolean", default: false, description: "Whether the credential `token` goes along." },
    },
  },
  output: { type: "object", required: ["data"], properties: { data: {} } },
  credentials: ["token"],
  hosts: ["*"],
  run({ url, query, variables = {}, authorized = false }) {
    const headers = { "content-type": "application/json", accept: "application/json" };
    // A placeholder: the host puts the secret in its place on the way out.
    if (authorized) headers.authorization = `Bearer ${token()}`;
    const { status, text } = ask(url, { headers, body: JSON.stringify({ query, variables }) });
    log.write("info", `${url} answered ${status}`);
    if (status === 429 || status >= 500) throw new Retryable(`the service answered ${status}`);
    const answer = json(text) ?? fail(`the service answered ${status}, and no JSON`);
    if (answer.errors?.length) fail(answer.errors.map((error) => error.message).join("; "));
    if (status !== 200) fail(`the service answered ${status}`);
    return { data: answer.data ?? null };
  },
};

function token() {
  try {
    return credentials.get("token");
  } catch {
    throw new InvalidInput("the node binds no credential `token`");
  }
}

function ask(url, request) {
  try {
    return send("POST", url, request);
  } catch (error) {
    throw error instanceof HttpError && error.mayPass ? new Retryable(error.message) : error;
  }
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fail(message) {
  throw new Permanent(message);
}

export const actions = component(query);
