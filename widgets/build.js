// Bundle every live chart into one file that anywidget can load, stamped with the hash of what it was built from.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const folder = "tradespace/show/live";
mkdirSync(`${folder}/bundle`, { recursive: true });
copyFileSync("node_modules/d3-scale/LICENSE", `${folder}/bundle/LICENSE-d3`);
const lock = readFileSync("package-lock.json");
const scripts = (path) => readdirSync(path).filter((file) => file.endsWith(".js")).sort();
const shared = scripts(`${folder}/shared`).map((file) => readFileSync(`${folder}/shared/${file}`));

// One, or all: `node build.js tradeoff` builds tradeoff.js alone.
const wanted = process.argv[2] ? [`${process.argv[2]}.js`] : scripts(folder);
for (const name of wanted) {
  const sources = [readFileSync(`${folder}/${name}`), ...shared, lock];
  const hash = sources.reduce((sum, source) => sum.update(source), createHash("sha256")).digest("hex");
  await build({
    entryPoints: [`${folder}/${name}`],
    outfile: `${folder}/bundle/${name}`,
    bundle: true,
    format: "esm",
    minify: true,
    banner: { js: `// Built by \`make js\` from ${name}, shared/ and package-lock.json, SHA-256 ${hash}` },
    legalComments: "inline",
  });
}
