// Named checks of one client, each reported as a line of JSON on standard output (scripts/checks.py).

export const ROOT = process.env.MOBULA_URL;
export const URL_V1 = `${ROOT}/v1`;
export const KEY = process.env.MOBULA_KEY;
export const MODEL = "nano";
export const QUESTION = "Write an Instagram caption about a new coffee shop";
export const WEATHER_SCHEMA = {
  type: "object",
  properties: { city: { type: "string", enum: ["Paris", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};

export function assert(condition, message = "assertion failed") {
  if (!condition) throw new Error(message);
}

// A WAV file with a second of a tone, in which nothing is said.
export function tone(rate = 16_000) {
  const content = Buffer.alloc(44 + 2 * rate);
  content.write("RIFF", 0);
  content.writeUInt32LE(36 + 2 * rate, 4);
  content.write("WAVEfmt ", 8);
  [16, 0x10001, rate, 2 * rate, 0x100002].forEach((value, at) => {
    content.writeUInt32LE(value, 16 + 4 * at);
  });
  content.write("data", 36);
  content.writeUInt32LE(2 * rate, 40);
  for (let at = 0; at < rate; at += 1) {
    content.writeInt16LE(Math.trunc(8_000 * Math.sin(at * 2 * Math.PI * 440 / rate)), 44 + 2 * at);
  }
  return content;
}

export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    const report = { check: name.replaceAll("_", " "), passed: true, detail: "" };
    try {
      await check();
    } catch (error) {
      report.passed = false;
      report.detail = `${error.name}: ${error.message}`.slice(0, 600);
      console.error(error);
    }
    console.log(JSON.stringify(report));
  }
}
