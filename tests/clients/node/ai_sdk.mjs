// Vercel's AI SDK with its default (responses), chat, and compatible providers.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateObject, generateText, jsonSchema, streamText, tool } from "ai";
import { KEY, MODEL, QUESTION, URL_V1, WEATHER_SCHEMA, assert, run } from "./checks.mjs";

const openai = createOpenAI({ baseURL: URL_V1, apiKey: KEY });
const compatible = createOpenAICompatible({
  name: "mobula", baseURL: URL_V1, apiKey: KEY, supportsStructuredOutputs: true,
});
const limits = { maxRetries: 0, maxOutputTokens: 48 };

await run({
  async default_model_by_responses() {
    assert((await generateText({ model: openai(MODEL), prompt: QUESTION, ...limits })).text);
  },
  async chat_model() {
    assert((await generateText({ model: openai.chat(MODEL), prompt: QUESTION, ...limits })).text);
  },
  async compatible_stream() {
    let text = "";
    const result = streamText({ model: compatible(MODEL), prompt: QUESTION, ...limits });
    for await (const part of result.textStream) text += part;
    assert(text);
  },
  async object() {
    const { object } = await generateObject({
      model: compatible(MODEL), schema: jsonSchema(WEATHER_SCHEMA), prompt: QUESTION, ...limits,
    });
    assert(["Paris", "Rome"].includes(object.city));
  },
  async tool_loop() {
    const weather = tool({
      description: "The weather", inputSchema: jsonSchema(WEATHER_SCHEMA),
      execute: async ({ city }) => `sunny in ${city}`,
    });
    const result = await generateText({
      model: compatible(MODEL), prompt: "Weather?", tools: { weather }, toolChoice: "required",
      ...limits,
    });
    assert(result.toolResults.length === 1);
  },
  async embedding() {
    const { embedding } = await embed({
      model: compatible.textEmbeddingModel("minilm"), value: "hello", maxRetries: 0,
    });
    assert(embedding.length === 384);
  },
});
