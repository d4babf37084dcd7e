// Vercel's AI SDK with its providers for OpenAI and for servers like it; LangChain's tool.
//
// Owns: how they are called and their answers told. Must not know: what is asked for.

import { load, serve } from "./talk.mjs";

const { generateImage } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");

function model({ client, compatible, model }) {
  const settings = { baseURL: client.base_url, apiKey: client.api_key };
  if (!compatible) return createOpenAI(settings).image(model);
  return createOpenAICompatible({ ...settings, name: "gateway" }).imageModel(model);
}

// One call of generateImage.
async function generate(command) {
  const { abort_after, ...args } = command.args;
  if (abort_after) args.abortSignal = AbortSignal.timeout(abort_after);
  const told = await generateImage({ ...args, model: model(command) });
  const images = told.images.map(({ base64, mediaType }) => ({ b64_json: base64, mediaType }));
  return { value: { data: images, usage: told.usage, warnings: told.warnings } };
}

serve({ call: generate });
