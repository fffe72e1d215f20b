#!/usr/bin/env node
/** Starts the program: what was built, or in a checkout the sources, which need no build. */
import { existsSync } from "node:fs";

const inCheckout = existsSync(new URL("../tsconfig.json", import.meta.url));
await import(inCheckout ? "../../../tools/run-source.mjs" : "../dist/main.js");
