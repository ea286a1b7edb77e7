// Writes the licences of what is bundled with the extension: `node licences.mjs FILE`.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";

const listed = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], {
  encoding: "utf8",
  shell: process.platform === "win32", // where npm is a script
});
const folders = listed.trim().split(/\r?\n/).filter((folder) => folder.includes("node_modules"));
const parts = folders.sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} has no licence file: read it yourself, and bundle what it asks for.`);
  return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
});
writeFileSync(process.argv[2], parts.join(`\n${"-".repeat(80)}\n\n`));
