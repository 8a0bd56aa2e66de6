// Bundle every live chart into one file that anywidget can load, stamped with the hash of what it was built from.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const folder = "tradespace/show";
mkdirSync(`${folder}/bundle`, { recursive: true });
copyFileSync("node_modules/d3-scale/LICENSE", `${folder}/bundle/LICENSE-d3`);
const lock = readFileSync("package-lock.json");

for (const name of readdirSync(folder).filter((file) => file.endsWith(".js"))) {
  const source = readFileSync(`${folder}/${name}`);
  const hash = createHash("sha256").update(source).update(lock).digest("hex");
  await build({
    entryPoints: [`${folder}/${name}`],
    outfile: `${folder}/bundle/${name}`,
    bundle: true,
    format: "esm",
    minify: true,
    banner: { js: `// Built by \`make js\` from ${name} and package-lock.json, SHA-256 ${hash}` },
    legalComments: "inline",
  });
}
