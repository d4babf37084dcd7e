// OpenAI's SDK for Node before 4.0, which speaks through axios.
//
// Owns: how its methods are called and its answers told. Must not know: what is asked for.

import { load, serve } from "./talk.mjs";

const { Configuration, OpenAIApi } = await load("openai3");

// One call; `words` are its arguments in order, of which null is one that was left out.
async function call({ client, method, words }) {
  const settings = { apiKey: client.api_key, basePath: client.base_url };
  const api = new OpenAIApi(new Configuration(settings));
  const given = words.map((word) => word ?? undefined);
  const answer = await api[method](...given);
  return { value: answer.data, status: answer.status };
}

serve({ call });
