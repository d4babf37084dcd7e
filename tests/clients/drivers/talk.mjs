// Commands as lines of JSON on standard input, answers as lines on standard output.
//
// Owns: the lines, values that JSON has not (files, bytes), and what is told of an error. Must not
// know: any client. `load`, given by whoever starts Node, imports a package of the environment.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

export const load = globalThis.load;

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
