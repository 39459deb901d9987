// OpenAI's own client for Node.
import OpenAI from "openai";
import { KEY, MODEL, QUESTION, URL_V1, WEATHER_SCHEMA, assert, run } from "./checks.mjs";

const api = new OpenAI({ baseURL: URL_V1, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: QUESTION }];
const tool = { type: "function", function: { name: "weather", parameters: WEATHER_SCHEMA } };

await run({
  async chat_and_own_message_back() {
    const first = await api.chat.completions.create({ model: MODEL, messages, max_tokens: 24 });
    const history = [...messages, first.choices[0].message, { role: "user", content: "Shorter" }];
    const second = await api.chat.completions.create({
      model: MODEL, messages: history, max_tokens: 16,
    });
    assert(second.choices[0].message.content);
  },
  async stream() {
    let text = "";
    const options = { model: MODEL, messages, max_tokens: 24, stream: true };
    for await (const chunk of await api.chat.completions.create(options)) {
      text += chunk.choices[0]?.delta?.content ?? "";
    }
    assert(text);
  },
  async tools() {
    const answer = await api.chat.completions.create({
      model: MODEL, messages, tools: [tool], tool_choice: "required", max_tokens: 64,
    });
    assert(answer.choices[0].message.tool_calls[0].function.name === "weather");
  },
  async responses() {
    const answer = await api.responses.create({
      model: MODEL, input: QUESTION, max_output_tokens: 24,
    });
    assert(answer.output_text);
  },
  async embeddings() {
    const answer = await api.embeddings.create({ model: "minilm", input: ["a"] });
    assert(answer.data[0].embedding.length === 384);
  },
});
