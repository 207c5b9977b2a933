// Made by `nebula action bindings`.

/** sample.every 1.2.0: Has a type of every shape. */
export namespace SampleEvery {
  /** What it takes. */
  export interface Input {
    /** A keyword. */
    type: string;
    "order-by": Order;
    filter: Filter;
    pair: [string, number];
    /**
     * On two
     * lines, with *\/ in it.
     */
    maybe?: string | null;
    tree?: Tree | null;
    by_name?: Record<string, Array<number>>;
    loose?: Record<string, unknown>;
    inline?: InputInline;
    [name: string]: unknown;
  }

  export interface InputInline {
    x: number;
  }

  export type Order = "best" | "3rd" | "Best";

  export type Filter =
    /** Of a year. */
    | { by: "year"; year: number }
    | { by: "any" };

  export interface Tree {
    children: Array<Tree>;
    parent?: Tree | null;
  }

  export interface Output {
    result: Result;
    either?: OutputEither;
    gone?: null;
  }

  export type OutputEither = number | string;

  export type Result =
    | "nothing"
    | { found: Tree };
}

/** Inputs and outputs by the action's id. */
export interface Actions {
  "sample.every": { input: SampleEvery.Input; output: SampleEvery.Output };
}
