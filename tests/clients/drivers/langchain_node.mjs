// LangChain's tool for pictures, from @langchain/openai.
//
// Owns: how it is made and run. Must not know: what is asked for.

import { load, serve } from "./talk.mjs";

const { DallEAPIWrapper } = await load("@langchain/openai");

// What an agent would be told: an address.
async function run({ client, args, prompt }) {
  const where = { baseUrl: client.base_url, apiKey: client.api_key };
  return { value: await new DallEAPIWrapper({ ...where, ...args }).invoke(prompt) };
}

serve({ call: run });
