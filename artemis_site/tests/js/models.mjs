// Models: listed, page by page as the client does it, and one by its name.
import { client, embeddingModel, model, tell } from "./client.mjs";

const openai = client();
const names = [];
for await (const { id } of openai.models.list()) {
  names.push(id);
}
tell({ names, one: await openai.models.retrieve(model), other: await openai.models.retrieve(embeddingModel) });
