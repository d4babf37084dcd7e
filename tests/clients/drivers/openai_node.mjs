// OpenAI's SDK for Node since 4.0, under the name its environment gives the version.
//
// Owns: how its methods are called and its answers told. Must not know: what is asked for.

import { load, said, serve } from "./talk.mjs";

const sdk = await load(process.env.CLIENT);
const clients = new Map();

async function made(kind, settings) {
  const name = JSON.stringify([kind, settings]);
  if (!clients.has(name)) {
    const { patience, ...options } = settings;
    if (patience) {
      const { Agent } = await load("undici");
      const limits = { headersTimeout: patience, bodyTimeout: patience };
      options.fetchOptions = { dispatcher: new Agent(limits) };
    }
    clients.set(name, new sdk[kind](options));
  }
  return clients.get(name);
}

async function called({ kind = "OpenAI", client, method, args, words = [], options = {} }) {
  const path = method.split(".");
  const last = path.pop();
  let target = await made(kind, client);
  for (const part of path) target = target[part];
  const { abort_after, ...rest } = options;
  if (abort_after) rest.signal = AbortSignal.timeout(abort_after);
  return target[last](...words, ...(args ? [args] : []), rest);
}

// One call.
async function call(command) {
  const answer = await called(command);
  if (answer && typeof answer.iterPages === "function") {
    const items = [];
    for await (const item of answer) items.push(item);
    return { value: items };
  }
  return { value: answer, request_id: answer?._request_id ?? null };
}

// What iterating over a stream yields, and what ended it.
async function stream(command) {
  const events = [];
  try {
    for await (const event of await called(command)) events.push(event);
  } catch (error) {
    if (!events.length && error.status) throw error;
    return { events, error: said(error) };
  }
  return { events, error: null };
}

serve({ call, stream });
