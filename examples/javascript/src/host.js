// The chance of the call: QuickJS begins each call with the chance that it had when the
// component was built, so `Math.random` takes it from the host. In a pure call it is the
// step's, equal on every attempt, as the clock behind `Date` is. Copy this file as well.

import random from "wasi:random/random@0.2.6";

Math.random = () => {
  const bytes = Uint8Array.from(random.getRandomBytes(8));
  const [high, low] = new Uint32Array(bytes.buffer);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
};
