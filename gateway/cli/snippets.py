"""What to paste: the same request in Python, curl and Node.

Owns: the texts. Must not know: whether anything listens. Each is whole and works as pasted; the
one in Python has no indented block, which older interactive Pythons take wrong when it is pasted.
"""

PROMPT = "A lighthouse in fog"

_PYTHON = """\
# pip install openai
import base64, pathlib
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="{key}")
result = client.images.generate(model="gpt-image-2", prompt="{prompt}", size="1536x1024")
pathlib.Path("lighthouse.png").write_bytes(base64.b64decode(result.data[0].b64_json))
print("lighthouse.png", result.size)
"""

_CURL = """\
curl -sS -w '\\n' {url}/v1/images/generations \\
  -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
  -d '{{"model": "gpt-image-2", "prompt": "{prompt}", "response_format": "url"}}'
"""

_NODE = """\
// npm install openai; save as lighthouse.mjs; node lighthouse.mjs
import {{ writeFileSync }} from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: "{key}" }});
const result = await client.images.generate({{
  model: "gpt-image-2", prompt: "{prompt}", size: "1536x1024",
}});
writeFileSync("lighthouse.png", Buffer.from(result.data[0].b64_json, "base64"));
console.log("lighthouse.png", result.size);
"""


def snippets(url: str, key: str) -> dict[str, str]:
    """The snippets by language, for a gateway at ``url`` and a key it knows."""
    texts = {"Python": _PYTHON, "curl": _CURL, "Node": _NODE}
    return {
        language: text.format(url=url, key=key, prompt=PROMPT) for language, text in texts.items()
    }
