// A reader's own MuJoCo model: from files to a compiled model, or to a sentence about what is amiss.

const MOST_BYTES = 100e6;
const FILE_NAMED = /\bfile\s*=\s*["']([^"']+)["']/g;

/** The last part of a path. */
export const base = (path) => path.split(/[\\/]/).at(-1);

/** Files that the text of a model names, without their folders. */
export function named(xml) {
  return [...new Set([...xml.matchAll(FILE_NAMED)].map(([, path]) => base(path)))];
}

/**
 * The file to begin with: the only XML, or the one that no other includes.
 * @param files [{name, bytes}].
 */
export function mainFile(files) {
  const models = files.filter(({ name }) => /\.(xml|mjcf|urdf)$/i.test(name));
  if (!models.length) {
    const got = files.map(({ name }) => name).join(", ") || "nothing";
    throw new Error(`Choose a MuJoCo model, a file whose name ends in .xml. You chose ${got}.`);
  }
  const text = (file) => new TextDecoder().decode(file.bytes);
  const included = new Set(models.flatMap((file) => named(text(file))));
  const first = models.find(({ name }) => !included.has(name)) ?? models[0];
  return { name: first.name, xml: text(first) };
}

/** What MuJoCo's complaint means for the reader. */
function explained(error, { name, xml }, given) {
  const words = String(error?.message ?? error).replace(/^MuJoCo Error:\s*/, "").trim();
  const missing = named(xml).filter((file) => !given.has(file));
  if (/opening file|not found|could not open/i.test(words) && missing.length) {
    const [is, it] = missing.length > 1 ? ["were", "them"] : ["was", "it"];
    return `${name} needs ${missing.join(", ")}, which ${is} not given. ` +
      `Choose ${it} together with ${name}, in one go.`;
  }
  if (/XML parse error/i.test(words)) {
    const line = words.match(/Line number=(\d+)/i)?.[1];
    return `${name} is not well-formed XML${line ? ` (line ${line})` : ""}.`;
  }
  return `MuJoCo cannot use ${name}: ${words.replace(/\s+/g, " ")}`;
}

/**
 * Compile a reader's files.
 * @param files [{name, bytes}]: one model, with the meshes and textures that it names.
 * @returns {model, name}.
 * @throws Error whose message is a sentence for the reader.
 */
export function compile(mj, files) {
  const size = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (size > MOST_BYTES)
    throw new Error(`These files hold ${Math.round(size / 1e6)} MB; the page takes up to ${MOST_BYTES / 1e6}.`);
  const main = mainFile(files);
  const vfs = new mj.MjVFS();
  try {
    for (const { name, bytes } of files) if (name !== main.name) vfs.addBuffer(name, bytes);
    const model = mj.MjModel.from_xml_string(main.xml, vfs);
    if (!model) throw new Error("it could not be compiled");
    return { model, name: main.name };
  } catch (error) {
    throw new Error(explained(error, main, new Set(files.map(({ name }) => name))));
  } finally {
    vfs.delete();
  }
}
