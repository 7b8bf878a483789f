// What the journeys have in common: the official client, and one line of JSON as the result.
import OpenAI from "openai";

export const { ARTEMIS_MODEL: model, ARTEMIS_EMBEDDING_MODEL: embeddingModel } = process.env;
export const messages = [{ role: "user", content: "Tell me of the moon." }];
export const tool = {
  name: "look_up",
  description: "Looks something up",
  parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"], additionalProperties: false },
};
export const city = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

export function client(options = {}) {
  const { ARTEMIS_BASE_URL: baseURL, ARTEMIS_API_KEY: apiKey } = process.env;
  return new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000, ...options });
}

export function tell(result) {
  console.log(JSON.stringify(result));
}
