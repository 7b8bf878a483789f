// Files and batches: a file sent, listed, read again and deleted; a batch begun, waited for, read, and one cancelled.
import { toFile } from "openai";
import { client, model, tell } from "./client.mjs";

const openai = client();
const chat = (name) => ({
  custom_id: name,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model, messages: [{ role: "user", content: `Say ${name}.` }], max_tokens: 5 },
});
const sent = [chat("first"), chat("second")].map((line) => JSON.stringify(line)).join("\n");
const upload = async () => openai.files.create({ file: await toFile(Buffer.from(sent), "lines.jsonl"), purpose: "batch" });
const file = await upload();
const content = await (await openai.files.content(file.id)).text();
const listed = [];
for await (const one of openai.files.list({ limit: 1 })) {
  listed.push(one.id);
}

const asked = { endpoint: "/v1/chat/completions", completion_window: "24h" };
let batch = await openai.batches.create({ ...asked, input_file_id: file.id, metadata: { run: "night" } });
const begun = batch.status;
const deadline = Date.now() + 20_000;
while (!["completed", "failed", "expired", "cancelled"].includes(batch.status) && Date.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  batch = await openai.batches.retrieve(batch.id);
}
const output = await (await openai.files.content(batch.output_file_id)).text();
const lines = output.trim().split("\n").map((line) => JSON.parse(line));

const other = await openai.batches.create({ ...asked, input_file_id: file.id });
const cancelled = await openai.batches.cancel(other.id).catch(({ code }) => ({ status: code })); // it may have ended
const found = (await openai.batches.list({ limit: 10 })).data.map(({ id }) => id);
const removed = await openai.files.delete(batch.output_file_id);
const gone = await openai.files.retrieve(batch.output_file_id).catch((error) => ({ status: error.status, code: error.code }));

tell({
  same: content === sent,
  listed: listed.includes(file.id),
  begun,
  status: batch.status,
  counts: batch.request_counts,
  metadata: batch.metadata,
  answers: Object.fromEntries(
    lines.map(({ custom_id: name, response }) => [name, response.body.choices[0].message.content]),
  ),
  cancelled: cancelled.status,
  found: found.includes(batch.id) && found.includes(other.id),
  deleted: removed.deleted,
  gone,
});
