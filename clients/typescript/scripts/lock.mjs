// Takes out of the lock file what says where something was downloaded from, or who pays for it: it names versions and
// hashes. To be run after each change of the dependencies. Of another package, its lock file is named relative to this one.

import { readFileSync, writeFileSync } from "node:fs";

const file = new URL(process.argv[2] ?? "../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
for (const part of Object.values(lock.packages)) {
  delete part.resolved;
  delete part.funding;
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
