// MuJoCo's WebAssembly build, packed into this script so that it loads from a disk as well.

import load from "@mujoco/mujoco";
import packed from "mujoco.wasm.gz";

async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

let starting;

/** MuJoCo's module; started at the first call, shared by the later ones. */
export function engine() {
  starting ??= (async () => {
    if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly");
    if (typeof DecompressionStream !== "function")
      throw new Error("this browser is too old, it has no DecompressionStream");
    return load({ wasmBinary: await unpack(packed) });
  })();
  starting.catch(() => (starting = undefined)); // the reader may try again
  return starting;
}
