// Embeddings: as numbers, and as the base64 that the client asks for by itself; shortened, and of tokens.
import { client, embeddingModel as model, tell } from "./client.mjs";

const openai = client();
const input = ["one", "two"];
const floats = await openai.embeddings.create({ model, input, encoding_format: "float" });
const usual = await openai.embeddings.create({ model, input });
const short = await openai.embeddings.create({ model, input: "one", dimensions: 8 });
const ofTokens = await openai.embeddings.create({ model, input: [[1, 2], [3]] });
const furthest = Math.max(
  ...floats.data.flatMap(({ embedding }, row) => embedding.map((value, place) => Math.abs(value - usual.data[row].embedding[place]))),
);

tell({ lengths: [floats, usual, short, ofTokens].map(({ data }) => data.map(({ embedding }) => embedding.length)), furthest, usage: usual.usage });
