// What an action in JavaScript needs of the contract, once: copy this file.
//
// The host speaks MessagePack and the records of `wit/action.wit`; actions speak
// JavaScript. An action is an object: what `describe` says of it, and a function
// `run(input)` that returns its output, or one of the answers below, or throws.

import "./host.js";
import { Packr } from "msgpackr";

// Plain MessagePack, without extensions. Integers that a number cannot hold exactly
// become BigInt.
const messagePack = new Packr({
  useRecords: false,
  variableMapSize: true,
  int64AsType: "auto",
  encodeUndefinedAsNil: true,
});
const decode = (bytes) => messagePack.unpack(bytes);
const encode = (value) => messagePack.pack(whole(value ?? null));

/** Fails, and trying again will not help. Any other error counts as one. */
export class Permanent extends Error {}

/** Fails because of what the input says. */
export class InvalidInput extends Error {}

/** Fails, and trying again may help, after so many milliseconds if they are given. */
export class Retryable extends Error {
  constructor(message, delayMs = null) {
    super(message);
    this.delayMs = delayMs;
  }
}

/** An answer on a port of its own: the connections `on: port:NAME` fire. */
export const branch = (port, output) => new Answer({ tag: "branch", val: { port, output: encode(output) } });

/** The node counts as skipped. */
export const skip = (reason = null) => new Answer({ tag: "skip", val: reason });

class Answer {
  constructor(outcome) {
    this.outcome = outcome;
  }
}

/** The export `actions` of a component with these actions. */
export function component(...actions) {
  const byId = new Map(actions.map((action) => [action.id, action]));
  return {
    describe: () => actions.map(metadata),
    execute(id, input) {
      const action = byId.get(id);
      if (!action) throw { tag: "permanent", val: `there is no action ${id}` };
      try {
        const value = decode(input) ?? {};
        check(action.input, value, "");
        const answer = action.run(value);
        return answer instanceof Answer ? answer.outcome : { tag: "success", val: encode(answer) };
      } catch (error) {
        throw failure(error);
      }
    },
  };
}

function metadata(action) {
  return {
    id: action.id,
    name: action.name,
    version: action.version,
    description: action.description,
    category: action.category ?? action.id.split(".")[0],
    inputSchema: JSON.stringify(action.input),
    outputSchema: JSON.stringify(action.output ?? true),
    credentials: action.credentials ?? [],
    hosts: action.hosts ?? [],
  };
}

/**
 * Refuses an input whose types are not those of its schema. Lengths, ranges, patterns
 * and enumerations were checked by the host before the call.
 */
function check(schema, value, path) {
  const type = kind(value);
  const wanted = schema.type;
  if (wanted && wanted !== type && !(wanted === "number" && type === "integer")) {
    throw new InvalidInput(`${path || "the input"} is ${type}, and must be ${wanted}`);
  }
  if (type === "array" && schema.items) value.forEach((item, at) => check(schema.items, item, `${path}[${at}]`));
  if (type !== "object") return;
  const place = (name) => (path ? `${path}.${name}` : name);
  for (const name of schema.required ?? []) {
    if (!(name in value)) throw new InvalidInput(`${place(name)} is missing`);
  }
  for (const [name, part] of Object.entries(value)) {
    const known = schema.properties?.[name];
    if (known) check(known, part, place(name));
    else if (schema.additionalProperties === false) throw new InvalidInput(`${place(name)} is not known`);
  }
}

/** The type of a value, in the words of JSON Schema. */
function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint" || Number.isInteger(value)) return "integer";
  return typeof value;
}

/** An error as the host knows it. */
function failure(error) {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof InvalidInput) return { tag: "invalid-input", val: message };
  if (error instanceof Retryable) return { tag: "retryable", val: { message, delayMs: error.delayMs } };
  return { tag: "permanent", val: message };
}

/** The encoder makes a float of an integer of more than 32 bits, unless it is a BigInt. */
function whole(value) {
  if (Number.isSafeInteger(value) && value !== (value | 0)) return BigInt(value);
  if (Array.isArray(value)) return value.map(whole);
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, whole(part)]));
}
