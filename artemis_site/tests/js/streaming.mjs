// A response that calls a function, streamed: each event as it comes, the call sent back with its result, streamed too.
import { client, model, tell, tool } from "./client.mjs";

const openai = client();
const asked = { model, max_output_tokens: 50, tools: [{ type: "function", ...tool, strict: true }] };
const events = [];
let given = "";
const stream = openai.responses
  .stream({ ...asked, input: "Look up the moon." })
  .on("response.function_call_arguments.delta", ({ delta }) => { given += delta; });
for await (const event of stream) {
  events.push(event.type);
}
const first = await stream.finalResponse();
const call = first.output.find(({ type }) => type === "function_call");

let said = "";
const second = openai.responses
  .stream({
    ...asked,
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: '{"found": true}' }],
  })
  .on("response.output_text.delta", ({ delta }) => { said += delta; });
const after = await second.finalResponse();
const items = await openai.responses.inputItems.list(after.id);
const raw = [];
for await (const event of await openai.responses.create({ ...asked, input: "And again.", stream: true })) {
  raw.push(event.sequence_number);
}

tell({
  events,
  given,
  call: { name: call.name, arguments: call.arguments, status: call.status },
  said,
  after: after.output.find(({ type }) => type === "message").content[0].text,
  continues: after.previous_response_id === first.id,
  items: items.data.map(({ type }) => type),
  inOrder: raw.every((number, place) => number === place),
});
