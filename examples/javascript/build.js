// Builds the components of `src/` into `build/`: `node build.js [NAME…]`.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, print } from "@bytecodealliance/jco-transpile/wasm-tools";
import { componentize } from "componentize-qjs";
import { build as bundle } from "esbuild";
import { alone } from "./alone.js";

const here = dirname(fileURLToPath(import.meta.url));
const contract = process.env.NEBULA_WIT ?? join(here, "../../wit");
const build = join(here, "build");
const wit = join(build, "wit");

// What a world names of WASI is called `keep:` until the component is there: while it
// is built, `wasi:` is the builder's own.
const kept = (text) => text.replaceAll("wasi:", "keep:");
const given = (text) => text.replaceAll("keep:", "wasi:");

/** Our worlds, and beside them the contract. */
async function gather() {
  await rm(build, { recursive: true, force: true });
  await mkdir(join(wit, "deps"), { recursive: true });
  const deps = join(wit, "deps");
  const from = { [join(here, "wit")]: wit, [join(here, "wit/deps")]: deps, [contract]: deps, [join(contract, "deps")]: deps };
  for (const [folder, to] of Object.entries(from)) {
    for (const name of (await readdir(folder)).filter((name) => name.endsWith(".wit"))) {
      await writeFile(join(to, name), kept(await readFile(join(folder, name), "utf8")));
    }
  }
}

/** A script with all that it imports, but for what the host has. */
async function script(name) {
  const { outputFiles } = await bundle({
    entryPoints: [join(here, "src", `${name}.js`)],
    bundle: true,
    format: "esm",
    minify: true,
    external: ["nebula:*", "wasi:*"],
    write: false,
  });
  return kept(outputFiles[0].text);
}

async function one(name) {
  const jsSource = await script(name);
  const { component } = await componentize({ witPath: wit, world: name, jsSource, optSize: true, sync: true });
  const done = await parse(given(alone(await print(component))));
  const file = join(build, `${name}.wasm`);
  await writeFile(file, done);
  console.log(`${file}  ${done.length} bytes`);
}

await gather();
const names = process.argv.slice(2);
for (const name of names.length ? names : ["jsonata", "graphql"]) await one(name);
