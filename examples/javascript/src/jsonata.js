// `jsonata.evaluate`: JSONata, the language of queries and transformations, whose
// reference implementation is in JavaScript. It imports nothing but the log: pure.

import log from "nebula:action/log@0.1.0";
import jsonata from "jsonata";
import { component, InvalidInput } from "./nebula.js";

const evaluate = {
  id: "jsonata.evaluate",
  name: "Evaluate JSONata",
  version: "0.1.0",
  description: "Evaluates a JSONata expression over data.",
  input: {
    type: "object",
    required: ["expression"],
    additionalProperties: false,
    properties: {
      expression: { type: "string", title: "Expression", minLength: 1, maxLength: 65536, examples: ["$sum(orders.price)"] },
      data: { description: "What the expression is about." },
      variables: { type: "object", description: "Variables of the expression, by name without `$`." },
    },
  },
  output: {
    type: "object",
    required: ["result"],
    properties: { result: { description: "What the expression gives; null if it gives nothing." } },
  },
  run({ expression, data = null, variables = {} }) {
    try {
      const result = jsonata(expression).evaluate(data, variables);
      log.write("debug", `evaluated ${expression.length} characters`);
      return { result };
    } catch (error) {
      throw new InvalidInput(`${error.code ?? "error"} at ${error.position ?? 0}: ${error.message}`);
    }
  },
};

export const actions = component(evaluate);
