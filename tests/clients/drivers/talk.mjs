// Commands as lines of JSON on standard input, answers as lines on standard output.
//
// Owns: the lines, values that JSON has not (files, bytes), what is told of an error, and that a
// client is of the version that the process was started for. Must not know: any client. Whoever
// starts Node gives the versions as its last argument, and with `globalThis.find` and `.load` the
// place of a package of the environment, and the package.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const pinned = JSON.parse(process.argv.at(-1));

// A package; throws, which ends the process, where it is not the one that the list pins.
export async function load(name) {
  const found = versionAt(globalThis.find(name));
  if (found !== pinned[name]) throw new Error(`${name} is ${found} here, but ${pinned[name]} in the list`);
  return globalThis.load(name);
}

// The version of the package that a file is part of; package.json of a folder inside one has none.
function versionAt(address) {
  let folder = new URL(".", address);
  for (; folder.pathname !== "/"; folder = new URL("..", folder)) {
    const file = new URL("package.json", folder);
    const { version } = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
    if (version) return version;
  }
  return undefined;
}

// What libraries print is no answer.
for (const name of ["log", "info", "debug"]) console[name] = console.error;

export function serve(calls) {
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, do: name, ...command } = JSON.parse(line);
    let told;
    try {
      told = { value: await calls[name](await meant(command)) };
    } catch (error) {
      told = { error: said(error) };
    }
    process.stdout.write(JSON.stringify({ id, ...told }) + "\n");
  });
}

// The value that JSON stands for.
async function meant(value) {
  if (Array.isArray(value)) return Promise.all(value.map(meant));
  if (value === null || typeof value !== "object") return value;
  const bytes = () => Buffer.from(value.data, "base64");
  switch (value.$) {
    case undefined: {
      const pairs = Object.entries(value).map(async ([name, one]) => [name, await meant(one)]);
      return Object.fromEntries(await Promise.all(pairs));
    }
    case "bytes":
      return new Uint8Array(bytes());
    case "file":
      return createReadStream(value.path);
    case "blob":
      return new Blob([bytes()], { type: value.type });
    case "named":
      return new File([bytes()], value.name, { type: value.type });
    default:
      throw new Error(`no kind of value is called ${value.$}`);
  }
}

// What a client's user can learn from an error.
export function said(error) {
  const kinds = [];
  for (let one = error; one && one !== Object.prototype; one = Object.getPrototypeOf(one)) {
    if (Object.hasOwn(one, "constructor")) kinds.push(one.constructor.name);
  }
  return {
    class: error.constructor?.name ?? typeof error,
    name: error.name ?? null,
    kinds,
    message: String(error.message ?? error),
    status: error.status ?? error.statusCode ?? error.response?.status ?? null,
    code: error.code ?? null,
    param: error.param ?? null,
    type: error.type ?? null,
    request_id: error.requestID ?? error.request_id ?? error.responseHeaders?.["x-request-id"] ?? null,
    body: error.response?.data ?? error.data ?? null,
    cause: error.cause ? (error.cause.cause?.code ?? error.cause.code ?? error.cause.name) : null,
    last: error.lastError ? said(error.lastError) : null,
    attempts: error.errors?.length ?? null,
  };
}
