// Bundle every live chart into one file that anywidget can load, and the script of the saved page likewise. Its first
// line says what it was built from, and the hash of those files of ours: a chart is bundled anew when one of them, or a
// package that it uses, has changed.
// With `--check` nothing is written: it fails if something would be.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const folder = "tradespace/show";
const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
/** @param {string} path */
const named = (path) => `${path.split("node_modules/").at(-1)} ${packages[path].version}`;

/** @param {string} entry */
async function bundle(entry) {
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    minify: true,
    legalComments: "inline",
    metafile: true,
    write: false,
  });
  const inputs = Object.keys(metafile.inputs).sort();
  const ours = inputs.filter((path) => path.startsWith(folder));
  const theirs = inputs.flatMap((path) => path.match(/^.*node_modules\/[^/]+/)?.[0] ?? []);
  const hash = ours.reduce((sum, path) => sum.update(readFileSync(path)), createHash("sha256")).digest("hex");
  const from = [
    ...ours.map((path) => path.slice(folder.length + 1)),
    ...[...new Set(theirs), "node_modules/esbuild"].map(named),
  ];
  return `// Built by \`make js\` from ${from.join(", ")}; SHA-256 ${hash}\n${outputFiles[0].text}`;
}

const files = [{ path: `${folder}/bundle/LICENSE-d3`, content: readFileSync("node_modules/d3-scale/LICENSE", "utf8") }];
for (const name of readdirSync(folder)) {
  const entry = ["widget", name].map((file) => `${folder}/${name}/${file}.js`).find((path) => existsSync(path));
  if (entry) files.push({ path: `${folder}/bundle/${name}.js`, content: await bundle(entry) });
}
const stale = files.filter(({ path, content }) => !existsSync(path) || readFileSync(path, "utf8") !== content);
if (process.argv.includes("--check")) {
  for (const { path } of stale) console.error(`${path}: not what its sources make; run \`make js\``);
  process.exitCode = stale.length ? 1 : 0;
} else {
  mkdirSync(`${folder}/bundle`, { recursive: true });
  for (const { path, content } of stale) writeFileSync(path, content);
}
