// Chat: whole, streamed, and as the client's own helper puts a stream together again.
import { client, messages, model, tell } from "./client.mjs";

const openai = client();
const asked = { model, messages, max_tokens: 5 };
const { data: whole, response } = await openai.chat.completions.create(asked).withResponse();

const chunks = [];
for await (const chunk of await openai.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } })) {
  chunks.push(chunk);
}

const stream = openai.chat.completions.stream({ ...asked, n: 2, logprobs: true, top_logprobs: 2, seed: 7, stop: ["never"] });
const joined = await stream.finalChatCompletion();

tell({
  whole,
  requestId: whole._request_id,
  deployment: response.headers.get("x-artemis-deployment"),
  chunks,
  joined: joined.choices.map(({ index, message, logprobs }) => ({ index, text: message.content, tokens: logprobs.content.length })),
});
