// Arrays as Python wrote them: {dtype, shape, data}, data being base64 of little-endian numbers.

const BYTES = { f8: 8, f4: 4, f2: 2, i4: 4, u1: 1 };

/** Bytes of a base64 text. */
export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** One IEEE half-precision number from its 16 bits. */
export function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** {data: typed array, shape}. float16 becomes Float32Array. */
export function decode({ dtype, shape, data }) {
  const bytes = fromBase64(data);
  const count = shape.reduce((product, n) => product * n, 1);
  if (bytes.length !== count * BYTES[dtype])
    throw new Error(`an array of ${shape} ${dtype} has ${bytes.length} bytes`);
  if (dtype === "f2") {
    const bits = new Uint16Array(bytes.buffer);
    return { data: Float32Array.from(bits, halfToFloat), shape };
  }
  const kinds = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u1: Uint8Array };
  return { data: new kinds[dtype](bytes.buffer), shape };
}
