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
