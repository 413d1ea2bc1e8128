// Writes C-order .npy files (NumPy's format version 1.0), each through a temporary file that is renamed at the end.
import { closeSync, openSync, renameSync, writeSync } from "node:fs";

const DESCR = { float32: "<f4", int8: "|i1" };

/** @param rows an iterable of typed arrays, each `rowLength` long; `shape` is what the header declares. */
export function writeNpy(path, dtype, shape, rows) {
  const shapeText = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  let header = `{'descr': '${DESCR[dtype]}', 'fortran_order': False, 'shape': ${shapeText}, }`;
  header = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11) + "\n";
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(header.length, 8);

  const temporary = `${path}.part`;
  const file = openSync(temporary, "w");
  writeSync(file, head);
  writeSync(file, header, null, "latin1");
  for (const row of rows) writeSync(file, new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
  closeSync(file);
  renameSync(temporary, path);
}

/** Symmetric int8 codes of each row and the float32 scale that brings them back: x ≈ scale · code. */
export function quantizeRows(rows) {
  const scales = new Float32Array(rows.length);
  const codes = rows.map((row, r) => {
    const largest = row.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    scales[r] = largest / 127;
    return Int8Array.from(row, (x) => (largest === 0 ? 0 : Math.round(x / scales[r])));
  });
  return { codes, scales };
}
