// Responses: whole, streamed, with a tool, continued by their id, read again and deleted.
import { city, client, model, tell, tool } from "./client.mjs";

const openai = client();
const asked = { model, input: "Tell me of the moon.", max_output_tokens: 16 };
const whole = await openai.responses.create(asked);

const types = [];
const stream = openai.responses.stream(asked);
for await (const { type } of stream) {
  types.push(type);
}
const final = await stream.finalResponse();

const called = await openai.responses.create({ ...asked, tools: [{ type: "function", ...tool, strict: true }] });
const text = { format: { type: "json_schema", name: "city", schema: city, strict: true } };
const structured = await openai.responses.create({ ...asked, max_output_tokens: 50, text });
const next = await openai.responses.create({ ...asked, input: "And of the sun?", previous_response_id: whole.id });
const read = await openai.responses.retrieve(whole.id);
await openai.responses.delete(whole.id);
const gone = await openai.responses.retrieve(whole.id).catch((error) => error.status);

tell({
  whole: whole.output_text,
  types,
  final: final.output[0].content[0].text,
  calls: called.output.filter(({ type }) => type === "function_call").map(({ name, arguments: given }) => ({ name, given })),
  structured: JSON.parse(structured.output_text),
  next: next.previous_response_id === whole.id,
  read: read.output_text,
  gone,
});
