// Parses an AsyncAPI document with the parser of the AsyncAPI project; prints what it has to say as JSON.
// node check.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const found = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join(".") }));
const messages = document?.messages().all().map((one) => one.name()) ?? [];
const operations = document?.operations().all().map((one) => one.id()) ?? [];
console.log(JSON.stringify({ parsed: document !== undefined, messages, operations, diagnostics: found }));
