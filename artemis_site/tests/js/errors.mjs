// Errors: the exceptions that the client's users catch, also from within a stream.
import OpenAI from "openai";
import { client, messages, model, tell } from "./client.mjs";

async function caught(work) {
  try {
    await work();
  } catch (error) {
    const kind = Object.keys(OpenAI).find((name) => OpenAI[name] === error.constructor);
    const { status = null, code, param, message, requestID: requestId = null } = error;
    return { kind, status, code, param, message, requestId, retryAfter: error.headers?.get("retry-after") ?? null };
  }
  return null;
}

const openai = client();
const ask = (fields, by = openai) => caught(() => by.chat.completions.create({ model, messages, max_tokens: 8, ...fields }));

tell({
  unauthenticated: await ask({}, client({ apiKey: "sk-art-junk" })),
  unknownModel: await ask({ model: "mars" }),
  unknownField: await ask({ ignore_eos: true }),
  outOfBounds: await ask({ temperature: 3, stream: true }),
  tooMany: await caught(async () => {
    const slow = client({ apiKey: process.env.ARTEMIS_SLOW_KEY });
    for (let turn = 0; turn < 2; turn += 1) {
      await slow.chat.completions.create({ model, messages, max_tokens: 1 });
    }
  }),
  withinAStream: await caught(async () => {
    const stream = await openai.chat.completions.create({
      model: process.env.ARTEMIS_CUT_MODEL,
      messages: [{ role: "user", content: "This one is cut." }],
      max_tokens: 8,
      stream: true,
    });
    for await (const _ of stream) {
      // until it breaks
    }
  }),
});
