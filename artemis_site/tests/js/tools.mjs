// Tools: a call whole and streamed, and its result sent back. Structured output: whole and streamed.
import { city, client, messages, model, tell, tool } from "./client.mjs";

const openai = client();
const tools = [{ type: "function", function: tool }];
const asked = { model, messages, max_tokens: 50, tools };
const whole = await openai.chat.completions.create(asked);
const streamed = await openai.chat.completions.stream(asked).finalMessage();

const { message } = whole.choices[0];
const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: '{"found": true}' };
const after = await openai.chat.completions.create({ model, messages: [...messages, message, result], max_tokens: 5 });

const response_format = { type: "json_schema", json_schema: { name: "city", schema: city, strict: true } };
const structured = await openai.chat.completions.create({ model, messages, max_tokens: 50, response_format });
const parsed = await openai.chat.completions.stream({ model, messages, max_tokens: 50, response_format }).finalContent();

tell({
  whole: message.tool_calls[0].function,
  reason: whole.choices[0].finish_reason,
  streamed: streamed.tool_calls[0].function,
  after: after.choices[0].message.content,
  structured: JSON.parse(structured.choices[0].message.content),
  parsed: typeof parsed === "string" ? JSON.parse(parsed) : parsed,
});
