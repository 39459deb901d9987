// Anthropic's own client for Node.
import Anthropic from "@anthropic-ai/sdk";
import { KEY, MODEL, QUESTION, ROOT, assert, run } from "./checks.mjs";

const api = new Anthropic({ baseURL: ROOT, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: QUESTION }];

await run({
  async create() {
    const answer = await api.messages.create({ model: MODEL, messages, max_tokens: 24 });
    assert(answer.content[0].text);
  },
  async stream() {
    const stream = api.messages.stream({ model: MODEL, messages, max_tokens: 24 });
    assert((await stream.finalMessage()).content[0].text);
  },
});
