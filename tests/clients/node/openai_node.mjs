// OpenAI's own client for Node.
import OpenAI, { toFile } from "openai";
import { KEY, MODEL, QUESTION, URL_V1, WEATHER_SCHEMA, assert, run, tone } from "./checks.mjs";

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
  async files_and_batches() {
    const line = (name) => JSON.stringify({
      custom_id: name, method: "POST", url: "/v1/chat/completions",
      body: { model: MODEL, messages, max_tokens: 8 },
    });
    const content = ["a", "b"].map(line).join("\n");
    const file = await api.files.create({
      file: await toFile(Buffer.from(content), "lines.jsonl"), purpose: "batch",
    });
    let batch = await api.batches.create({
      input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h",
    });
    for (let tries = 0; batch.status !== "completed"; tries += 1) {
      assert(tries < 300 && batch.status !== "failed", batch.status);
      await new Promise((resolve) => setTimeout(resolve, 200));
      batch = await api.batches.retrieve(batch.id);
    }
    const text = await (await api.files.content(batch.output_file_id)).text();
    const names = text.trim().split("\n").map((each) => JSON.parse(each).custom_id);
    assert(names.join() === "a,b", names);
    assert((await api.batches.cancel(batch.id)).status === "completed");
    for await (const each of api.batches.list({ limit: 1 })) assert(each.object === "batch");
    assert((await api.files.delete(file.id)).deleted);
  },
  async transcriptions_of_a_recording_without_words() {
    const transcribe = async (options) => api.audio.transcriptions.create({
      model: "whisper-1", file: await toFile(tone(), "tone.wav"), ...options,
    });
    assert((await transcribe({})).text === "");
    const verbose = await transcribe({
      response_format: "verbose_json", timestamp_granularities: ["word"],
    });
    assert(verbose.text === "" && Math.round(verbose.duration) === 1, JSON.stringify(verbose));
    assert((await transcribe({ response_format: "vtt" })).trim() === "WEBVTT");
    const events = [];
    for await (const event of await transcribe({ stream: true })) events.push(event.type);
    assert(events.join() === "transcript.text.done", events);
    const english = await api.audio.translations.create({
      model: "whisper-1", file: await toFile(tone(), "tone.wav"),
    });
    assert(english.text === "");
  },
});
