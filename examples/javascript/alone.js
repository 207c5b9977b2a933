// `componentize-qjs` gives a component within a component: QuickJS with its script, and
// a second one that answers what the first asks while it is built. Values between two
// components are copied by code that sees two memories, which no action may have. And
// QuickJS imports files, as any C library does, which no action may have either; it
// opens none.
//
// `alone` takes the first component out of the text of the whole, and puts functions
// that trap in the place of what it would ask of the other one and of files. In that
// text, as `print` gives it, everything has a name and a line or block of its own.

/** What keeps the place of something that is gone, for what is counted and not named. */
const PLACE = { type: "    (type u8)", instance: "    (instance)" };
const CUT = /^(wasi:filesystem\/|local:init\/)/;

/** The text of the inner component, without the imports that are cut. */
export function alone(whole) {
  const lines = inner(whole.split("\n"));
  const signatures = signaturesOf(lines);
  const functions = new Map();
  const gone = new Set();
  const kept = [];
  let skipping = null;
  for (const line of lines) {
    if (skipping !== null) {
      if (line === skipping) skipping = null;
      continue;
    }
    const [, type] = /^ {4}\(type \$ty-(\S+) \(;\d+;\)$/.exec(line) ?? [];
    const [, imported] = /^ {4}\(import "([^"]+)"/.exec(line) ?? [];
    const [, from, sort, as] = /^ {4}\(alias export \$(\S+) "[^"]*" \((\w+) (\$(?:"[^"]*"|[^ )]+))/.exec(line) ?? [];
    const [, name, use] = /^ {4}\(core func (\$(?:"[^"]*"|[^ )]+)).* \(canon (?:lower \(func|resource\.drop) (\$(?:"[^"]*"|[^ )]+))/.exec(line) ?? [];
    if (type && CUT.test(type)) {
      skipping = "    )";
      kept.push(PLACE.type);
    } else if (imported && CUT.test(imported)) kept.push(PLACE.instance);
    else if (from && CUT.test(from)) {
      gone.add(as);
      if (sort === "type") kept.push(PLACE.type);
    } else if (use && gone.has(use)) {
      const [, key] = /\(@name "indirect-([^"]+)"\)/.exec(line) ?? [];
      const number = functions.size;
      functions.set(number, key ? signatures.get(key) : "(param i32)");
      kept.push(`    (alias core export $cut "${number}" (core func ${name}))`);
    } else kept.push(line);
  }
  const traps = [...functions].map(([number, signature]) => `(func (export "${number}") ${signature} unreachable)`);
  const cut = `(core module $cut-module ${traps.join("\n")})\n(core instance $cut (instantiate $cut-module))`;
  return ["(component", cut, ...kept.slice(1)].join("\n");
}

/** The lines of the first component within the outer one. */
function inner(lines) {
  const begin = lines.indexOf("  (component (;0;)");
  const end = lines.indexOf("  )", begin);
  if (begin < 0 || end < 0) throw new Error("there is no component within this one");
  return lines.slice(begin, end + 1);
}

/** Of the functions that core modules import, by `module-name`. */
function signaturesOf(lines) {
  const signatures = new Map();
  let types = new Map();
  for (const line of lines) {
    if (line.startsWith("    (core module")) types = new Map();
    const [, number, signature = ""] = /^ {6}\(type \(;(\d+);\) \(func ?(.*)\)\)$/.exec(line) ?? [];
    if (number) types.set(number, signature);
    const [, module, name, type] = /^ {6}\(import "([^"]+)" "([^"]+)" \(func \(;\d+;\) \(type (\d+)\)\)\)$/.exec(line) ?? [];
    if (module && CUT.test(module)) signatures.set(`${module}-${name}`, types.get(type));
  }
  return signatures;
}
